"""The training phases: what is trainable in each, and where it starts from."""

import dataclasses
import math
import re
from collections.abc import Iterator

import keras

from trainers.config import TrainConfig
from trainers.model import base_of, trains_batch_norm


@dataclasses.dataclass(frozen=True)
class Phase:
    """A phase: its name, the phase whose best model it goes on from, and which part of the base trains."""

    name: str
    starts_from: str | None
    trains_base: str  # nothing, unfrozen (the layers of --unfreeze) or everything


PHASES = {
    "pretrain": Phase("pretrain", starts_from=None, trains_base="everything"),
    "transfer": Phase("transfer", starts_from=None, trains_base="nothing"),
    "finetune": Phase("finetune", starts_from="transfer", trains_base="unfrozen"),
}


def sequence(name: str) -> list[Phase]:
    """The phases that lead to `name`, in order."""
    phase = PHASES[name]
    return [*(sequence(phase.starts_from) if phase.starts_from else []), phase]


def epochs_and_rate(phase: Phase, config: TrainConfig) -> tuple[int, float]:
    """The number of epochs and the highest learning rate of a phase."""
    training = config.training
    return getattr(training, f"{phase.name}_epochs"), getattr(training, f"{phase.name}_learning_rate")


def set_trainable(model: keras.Model, phase: Phase, config: TrainConfig, *, replicas: int = 1) -> None:
    """Freezes and unfreezes the layers of the base as the phase asks.

    Batch normalization of a base with trained weights stays frozen, and so in inference mode, in every phase. Where it
    trains on several replicas its statistics are those of the whole batch.

    Raises:
      ValueError: `unfreeze` names no layer.
    """
    base = base_of(model)
    if config.phase == "finetune" and config.training.unfreeze != ("all",):
        _check_prefixes(base, config.training.unfreeze)  # before the transfer phase, not after it
    base.trainable = phase.trains_base != "nothing"
    if phase.trains_base == "nothing":
        return
    prefixes = config.training.unfreeze if phase.trains_base == "unfrozen" else ("all",)
    for layer in layers_of(base):
        layer.trainable = prefixes == ("all",) or layer.name.startswith(prefixes)
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


def layers_of(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model, those of models inside it one by one: a saved classifier holds its backbone whole."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


def _check_prefixes(base: keras.Model, prefixes: tuple[str, ...]) -> None:
    names = [layer.name for layer in layers_of(base)]
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in names):
            known = dict.fromkeys(match.group() for name in names if (match := re.match(r"[a-zA-Z]+_?\d*[a-z]?", name)))
            raise ValueError(
                f"unfreeze must name layers of {base.name} by their prefixes, or all; no layer starts with "
                f"{prefix!r}. It has {', '.join(list(known)[:24])}"
            )


def table(model: keras.Model) -> str:
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
