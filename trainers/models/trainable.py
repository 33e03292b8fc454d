"""What trains in each phase."""

import math

import keras

from trainers.config import TrainConfig
from trainers.config.phases import Phase
from trainers.models.classifier import base_of, trains_batch_norm
from trainers.models.layer_names import chosen, layers_of


def set_trainable(model: keras.Model, phase: Phase, config: TrainConfig, *, replicas: int = 1) -> None:
    """Freezes and unfreezes the layers of the base as the phase asks.

    Batch normalization of a base with trained weights stays frozen, and so in inference mode, in every phase. Where it
    trains on several replicas its statistics are those of the whole batch.

    Raises:
      UserError: `unfreeze` names no layer.
    """
    base, wanted = base_of(model), config.training.unfreeze
    by_name = wanted != ("all",) and (config.phase == "finetune" or phase.trains_base == "unfrozen")
    found = chosen(base, wanted) if by_name else {}  # in the transfer phase already, not after it
    base.trainable = phase.trains_base != "nothing"
    if phase.trains_base == "nothing":
        return
    taken = {id(layer) for layers in found.values() for layer in layers}
    for layer in layers_of(base):
        layer.trainable = phase.trains_base == "everything" or not by_name or id(layer) in taken
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = layer.trainable and trains_batch_norm(config.model)
            layer.synchronized = layer.trainable and replicas > 1


def is_synchronized(model: keras.Model) -> bool:
    """Whether the replicas exchange statistics of batch normalization inside the forward pass."""
    return any(getattr(layer, "synchronized", False) for layer in layers_of(model))


def moving_statistics(model: keras.Model) -> list[keras.Variable]:
    """The statistics of batch normalization that trains, which the forward pass moves."""
    layers = [layer for layer in layers_of(model) if isinstance(layer, keras.layers.BatchNormalization)]
    return [variable for layer in layers if layer.trainable for variable in layer.non_trainable_variables]


def unfreezing(model: keras.Model, phase: Phase, config: TrainConfig) -> list[str]:
    """A line for each entry of `unfreeze` in a phase that goes by it: which layers of the base it took."""
    wanted = config.training.unfreeze
    if phase.trains_base != "unfrozen" or wanted == ("all",):
        return []
    lines = []
    for entry, layers in chosen(base_of(model), wanted).items():
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
