"""What trains in each phase."""

import math
from collections.abc import Iterable, Sequence

import keras

from trainers.config import ModelConfig, Phase
from trainers.models.classifier import base_of, trains_batch_norm
from trainers.models.layer_names import chosen, layers_of, within

_ALL = ("all",)  # of --unfreeze


def set_trainable(
    model: keras.Model, phase: Phase, config: ModelConfig, *, unfreeze: Sequence[str] = _ALL, replicas: int = 1
) -> None:
    """Freezes and unfreezes the layers of the base as the phase asks.

    Batch normalization of a base with trained weights stays frozen, and so in inference mode, in every phase. Where it
    trains on several replicas its statistics are those of the whole batch.

    Args:
      model: from `classifier.build_classifier`.
      phase: about to train.
      config: the model was built from.
      unfreeze: entries of `--unfreeze`, for a phase that goes by them.
      replicas: devices over which a batch is split.

    Raises:
      UserError: `unfreeze` names no layer.
    """
    base = base_of(model)
    by_name = phase.trains_base == "unfrozen" and tuple(unfreeze) != _ALL
    found = chosen(base, unfreeze) if by_name else {}
    base.trainable = phase.trains_base != "nothing"
    if phase.trains_base == "nothing":
        return
    taken = {id(layer) for layers in found.values() for layer in layers}
    for layer in layers_of(base):
        layer.trainable = phase.trains_base == "everything" or not by_name or id(layer) in taken
        for norm in _normalizations(layer):
            norm.trainable = layer.trainable and trains_batch_norm(config)
            norm.synchronized = norm.trainable and replicas > 1


def is_synchronized(model: keras.Model) -> bool:
    """Whether the replicas exchange statistics of batch normalization inside the forward pass."""
    return any(norm.synchronized for layer in layers_of(model) for norm in _normalizations(layer))


def moving_statistics(model: keras.Model) -> list[keras.Variable]:
    """The statistics of batch normalization that trains, which the forward pass moves."""
    layers = [norm for layer in layers_of(model) for norm in _normalizations(layer)]
    return [variable for layer in layers if layer.trainable for variable in layer.non_trainable_variables]


def _normalizations(layer: keras.layers.Layer) -> list[keras.layers.BatchNormalization]:
    return [part for part in within(layer) if isinstance(part, keras.layers.BatchNormalization)]


def kernels_of_base(model: keras.Model) -> list[keras.Variable]:
    """The variables of the base that train and have more than one dimension."""
    return [variable for variable in base_of(model).trainable_variables if len(variable.shape) > 1]


def check_unfreeze(model: keras.Model, phases: Iterable[Phase], unfreeze: Sequence[str]) -> None:
    """Checks `unfreeze` before the first of the phases trains, not when one comes that goes by it.

    Raises:
      UserError: an entry names no layer.
    """
    for phase in phases:
        unfreezing(model, phase, unfreeze)


def unfreezing(model: keras.Model, phase: Phase, unfreeze: Sequence[str]) -> list[str]:
    """A line for each entry of `unfreeze` in a phase that goes by it: which layers of the base it took.

    Raises:
      UserError: an entry names no layer.
    """
    if phase.trains_base != "unfrozen" or tuple(unfreeze) == _ALL:
        return []
    lines = []
    for entry, layers in chosen(base_of(model), unfreeze).items():
        ends = [layers[0].name, *([layers[-1].name] if len(layers) > 1 else [])]
        training = sum(bool(layer.trainable_variables) for layer in layers)
        lines.append(f"unfreeze {entry}: {len(layers)} layers, {training} of them with weights ({' to '.join(ends)})")
    return lines


def layer_table(model: keras.Model) -> str:
    """Which layers train: a line for each layer of the base and the head, and the sums."""
    base = base_of(model)
    lines = []
    for layer in model.layers:
        for part in layers_of(base) if layer is base else [layer]:
            trains = bool(part.trainable and part.trainable_variables)
            lines.append(f"  {'trains' if trains else 'frozen' if part.weights else '-':<7} {part.name}")
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    total = model.count_params()
    return "\n".join([*lines, f"  {trainable:,} of {total:,} parameters train"])
