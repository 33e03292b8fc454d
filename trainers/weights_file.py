"""Load a file of weights, or say in one line why it does not fit."""

import contextlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras


def load(model: keras.Model, path: Path, *, refusal: str) -> None:
    """Loads the weights in `path` into `model`.

    Raises:
      ValueError: no such file, or weights that do not fit; `refusal` begins the message, and the reason ends it.
    """
    if not path.is_file():
        raise ValueError(f"{refusal}: no such file")
    try:
        with without_warnings():
            model.load_weights(path)
    except Exception as error:  # h5py, zipfile and Keras raise many kinds for a file that does not fit
        raise ValueError(f"{refusal}: {_reason(str(error))}") from error


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Leaves out Keras's warnings while weights are loaded: what does not fit is an error, which says more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _reason(message: str) -> str:
    """One finished sentence out of what Keras says, which ends its first line with a colon."""
    several = re.match(r"A total of (\d+) objects could not be loaded.*?name=([^,>]+).*?>:\s+(.*)", message, re.DOTALL)
    if several is None:
        return message.strip().splitlines()[0].rstrip(":.") if message.strip() else "it cannot be read"
    count, layer, example = several.groups()
    shapes = re.search(r"variable\.shape=(\(.*?\)).*?value\.shape=(\(.*?\))", example, re.DOTALL)
    if shapes:
        example = f"it has the shape {shapes[1]}, in the file {shapes[2]}"
    return f"{count} layer(s) do not fit, such as {layer}: {example.splitlines()[0].rstrip('.')}"
