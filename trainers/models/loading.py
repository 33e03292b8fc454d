"""Load a saved model or a file of weights, or say in one line why it does not fit."""

import contextlib
import itertools
import json
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from ftdata.errors import UserError
from ftdata.names import counted
from trainers.models import hub_repairs
from trainers.runtime import extras


def load_model(path: str) -> keras.Model:
    """A saved model, not compiled.

    Raises:
      UserError: the file cannot be loaded.
    """
    _import_hub(path)
    try:
        return keras.saving.load_model(Path(path).expanduser(), compile=False, safe_mode=True)
    except Exception as error:  # zipfile, json and Keras raise many kinds for a file that is no model
        if "safe_mode" in str(error):  # Keras's advice is to switch the protection off
            raise UserError(
                f"cannot load {path}: it holds code (such as a Lambda layer), and models load in safe mode only"
            ) from error
        raise UserError(f"cannot load {path}: {str(error).strip().splitlines()[0]}") from error


def _import_hub(path: str) -> None:
    """Imports KerasHub for a model that has layers of it.

    Raises:
      UserError: it is not installed.
    """
    try:
        with zipfile.ZipFile(Path(path).expanduser()) as archive:
            needs = b'"keras_hub' in archive.read("config.json")
    except (OSError, KeyError, zipfile.BadZipFile):  # no such model: loading it says which
        return
    if needs:
        extras.check_installed(f"{path} has layers of KerasHub and", ["keras_hub"], extra="zoo")
        hub_repairs.repair()


def layer_kinds(path: str) -> set[str]:
    """The classes of the layers in a saved model, such as `Conv2D`, models inside it too; it is not built for this.

    Raises:
      UserError: the file cannot be read.
    """
    try:
        with zipfile.ZipFile(Path(path).expanduser()) as archive:
            return set(_kinds(json.loads(archive.read("config.json"))))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot load {path}: {error}") from error


def _kinds(config: Any) -> Iterator[str]:
    if isinstance(config, dict) and isinstance(config.get("class_name"), str):
        yield config["class_name"]
    if isinstance(config, dict | list):
        for part in config.values() if isinstance(config, dict) else config:
            yield from _kinds(part)


def fill(model: keras.Model, path: Path, *, refusal: str) -> None:
    """Loads the weights in `path` into `model`.

    Raises:
      UserError: no such file, or weights that do not fit; `refusal` begins the message, and the reason ends it.
    """
    if not path.is_file():
        raise UserError(f"{refusal}: no such file")
    try:
        with without_warnings():
            model.load_weights(path)
    except Exception as error:  # h5py, zipfile and Keras raise many kinds for a file that does not fit
        raise UserError(f"{refusal}: {_reason(str(error))}") from error


def check_treatment(model: keras.Model, path: Path) -> None:
    """Checks that the model in a `.keras` file rescales its pixels and pools its features as `model` does.

    That has no weights, so that those of the one would load into the other without a word.

    Raises:
      UserError: it does otherwise.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            there = list(_treatment(json.loads(archive.read("config.json"))))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # weights alone, or no such file: `fill` says which
        return
    here = list(_treatment(json.loads(model.to_json())))
    pairs = itertools.zip_longest(there, here, fillvalue="nothing")
    differing = [f"{one} there, {other} here" for one, other in pairs if one != other]
    if differing:
        raise UserError(
            f"{path} does not fit this model: it treats pixels or features otherwise ({differing[0]}). Give the "
            "--preprocessing and --pooling it was trained with; one that an older version trained from EfficientNetB0 "
            "to B7 with --weights=FILE saw pixels rescaled wrongly, and has to be trained again"
        )


def _treatment(config: Any) -> Iterator[str]:
    """What of a model's configuration has no weights and changes its numbers: rescaling, and pooling of features."""
    if isinstance(config, list):
        for part in config:
            yield from _treatment(part)
    if not isinstance(config, dict):
        return
    kind, values = config.get("class_name"), config.get("config") or {}
    if kind == "Rescaling" and values["name"] != "temperature":  # which an export adds
        yield f"Rescaling by {_numbers(values['scale'])} and {_numbers(values['offset'])}"
    elif kind in ("Normalization", "Flip", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D"):
        yield str(kind)
    else:
        for part in config.values():
            yield from _treatment(part)


def _numbers(value: Any) -> list[float]:
    return [round(float(number), 5) for number in keras.tree.flatten(value) if isinstance(number, int | float)]


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Silences Keras's warnings while weights are loaded: what does not fit is an error, which says more."""
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
    return f"{counted(int(count), 'layer')} cannot be filled, such as {layer}: {example.splitlines()[0].rstrip('.')}"
