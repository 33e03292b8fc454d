"""LoRA: of a kernel that stays as it is, a difference of low rank is trained (Hu et al., 2021, arXiv:2106.09685).

Keras computes `kernel + A @ B`, with A drawn at random, [inputs, rank], and B zero at first, [rank, outputs]. What it
saves is that sum, so that `best.keras` and the exports are of plain layers; checkpoints hold A and B.
"""

import fnmatch
import math
from collections.abc import Sequence

import keras

from ftdata.errors import UserError
from ftdata.names import listed
from ftdata.settings import said
from trainers.config import Phase
from trainers.models.classifier import base_of
from trainers.models.layer_names import layers_of, within
from trainers.models.plain_layers import is_on

# Of the attention of transformers: the projections to queries and values, in one layer with the keys' in Swin
_USUAL = ("query", "value", "query_*", "value_*", "q_proj", "v_proj", "*qkv*")
_SHOWN = 12  # names in a message


def enable(model: keras.Model, phase: Phase, *, rank: int, targets: Sequence[str] | None) -> None:
    """Makes LoRA and the head all that trains, in the phase of fine-tuning.

    Args:
      model: a classifier with its starting weights; `trainable.set_trainable` has left it.
      phase: about to train; others stay as they are.
      rank: of the difference; 0 is no LoRA.
      targets: patterns of names of layers; None stands for queries and values.

    Raises:
      UserError: no layer has such a name, or can be trained so.
    """
    if not rank or phase.trains_base != "unfrozen":
        return
    found = {id(layer): layer for layer in _chosen(model, targets)}
    for outer in layers_of(base_of(model)):
        inner = within(outer)
        outer.trainable = any(id(layer) in found for layer in inner)
        for layer in inner:
            if id(layer) in found and not layer.lora_enabled:
                layer.enable_lora(rank)
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        for variable in outer.trainable_variables:
            variable.trainable = variable.name in ("lora_kernel_a", "lora_kernel_b")


def check(model: keras.Model, *, rank: int, targets: Sequence[str] | None) -> None:
    """Checks the targets before anything trains.

    Raises:
      UserError: as `enable`.
    """
    if rank:
        _chosen(model, targets)


def in_words(model: keras.Model) -> list[str]:
    """A line that says where there is LoRA, and how much trains; none where there is none."""
    layers = [layer for outer in layers_of(base_of(model)) for layer in within(outer) if is_on(layer)]
    if not layers:
        return []
    count = sum(math.prod(kernel.shape) for layer in layers for kernel in (layer.lora_kernel_a, layer.lora_kernel_b))
    names = listed(list(dict.fromkeys(layer.name for layer in layers)), limit=_SHOWN)
    return [f"LoRA of rank {layers[0].lora_rank} in {len(layers)} layers ({names}): {count:,} parameters, and the head"]


def _chosen(model: keras.Model, targets: Sequence[str] | None) -> list[keras.layers.Layer]:
    """The layers of the base that the patterns name: by a layer's own name, or that of its block before it."""
    base = base_of(model)
    can = {
        f"{outer.name}/{layer.name}": layer for outer in layers_of(base) for layer in within(outer) if _can_have(layer)
    }
    if not can:
        raise UserError(
            f"lora_rank is for Dense, EinsumDense and 1x1 convolution layers, and {base.name} has none: use "
            "--lora_rank=0"
        )
    found = []
    for pattern in targets or _USUAL:
        taken = [layer for name, layer in can.items() if any(fnmatch.fnmatchcase(n, pattern) for n in _names(name))]
        if targets and not taken:
            raise UserError(_refusal(f"no layer of {base.name} that can have LoRA fits {said(pattern)}", can))
        found += taken
    if not found:
        raise UserError(_refusal(f"{base.name} has no queries and values", can))
    return list({id(layer): layer for layer in found}.values())


def _names(path: str) -> tuple[str, str]:
    return path, path.rpartition("/")[2]


def _refusal(reason: str, can: dict[str, keras.layers.Layer]) -> str:
    names = list(dict.fromkeys(name.rpartition("/")[2] for name in can))
    return f"lora_targets must be patterns of names of layers, such as block*_project; {reason}. It has " + listed(
        names, limit=_SHOWN
    )


def _can_have(layer: keras.layers.Layer) -> bool:
    """Whether Keras trains a layer so: Dense, EinsumDense, and convolutions of 1x1 without groups."""
    if isinstance(layer, keras.layers.Conv2D):
        return tuple(layer.kernel_size) == (1, 1) and layer.groups == 1
    return isinstance(layer, keras.layers.Dense | keras.layers.EinsumDense)
