"""The names of layers: the same in every process, and which of them `--unfreeze` means."""

import collections
import contextlib
import re
from collections.abc import Iterator, Sequence

import keras
from keras.src.backend.common import global_state

from ftdata.errors import UserError
from ftdata.settings import said
from trainers.models import stacks

_COUNTERS = "object_name_uids"
_SHOWN = 24  # names in a message


@contextlib.contextmanager
def numbered_afresh() -> Iterator[None]:
    """Numbers layers without a name of their own (`conv2d_9`) from the beginning while the block runs.

    Keras counts on through a process, so that the second network of a kind would have other names than the first.
    Its counters are private; a test pins them.
    """
    before = global_state.get_global_attribute(_COUNTERS)
    global_state.set_global_attribute(_COUNTERS, collections.defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(_COUNTERS, before)


def layers_of(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model, those of models inside it one by one: a saved classifier holds its backbone whole. A stack
    of blocks is its blocks."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield from stacks.parts_of(layer) or [layer]


def within(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """A layer and all those that it holds: a block of KerasHub holds its convolutions and their normalization."""
    return [layer, *layer._flatten_layers(include_self=False)]  # no public name; a test pins it


def taken_by(wanted: str, names: Sequence[str]) -> list[str]:
    """The names that an entry of `--unfreeze` takes: the one it is, or else those that begin with it.

    A number at its end is a whole number: `block_1` takes block_1_expand and not block_10_expand.
    """
    if wanted in names:
        return [wanted]
    pattern = re.escape(wanted) + (r"(?!\d)" if wanted[-1].isdigit() else "")
    return [name for name in names if re.match(pattern, name)]


def chosen(base: keras.Model, wanted: Sequence[str]) -> dict[str, list[keras.layers.Layer]]:
    """The layers of a backbone that each entry of `--unfreeze` takes.

    Raises:
      UserError: an entry takes none; the message says what there is.
    """
    layers = list(layers_of(base))
    names = [layer.name for layer in layers]
    found = {entry: set(taken_by(entry, names)) for entry in wanted}
    for entry, taken in found.items():
        if not taken:
            raise UserError(
                f"unfreeze must name layers of {base.name} or the beginnings of their names, or all; no layer starts "
                f"with {said(entry)}. It has {_shortened(_beginnings(names))}"
            )
    return {entry: [layer for layer in layers if layer.name in taken] for entry, taken in found.items()}


def _beginnings(names: Sequence[str]) -> list[str]:
    """What can be given to `--unfreeze`: the numbered beginnings of names (block4, block_16_), whole names else."""
    found = [re.match(r"[a-zA-Z]+\d+[a-z]?(?=_)|[a-zA-Z]+_\d+_|.+", name) for name in names]
    return list(dict.fromkeys(match.group() for match in found if match))


def _shortened(names: list[str]) -> str:
    if len(names) <= _SHOWN:
        return ", ".join(names)
    half = _SHOWN // 2
    return f"{', '.join(names[:half])}, ... {', '.join(names[-half:])} ({len(names)} in all)"
