"""The training phases: what is trainable in each, and where it starts from."""

import dataclasses

from trainers.config.training import TrainingConfig


@dataclasses.dataclass(frozen=True)
class Phase:
    """A phase: its name, the phase whose best model it starts from, and which part of the base trains."""

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


def epochs_and_rate(phase: Phase, config: TrainingConfig) -> tuple[int, float]:
    """The number of epochs and the highest learning rate of a phase."""
    return getattr(config, f"{phase.name}_epochs"), getattr(config, f"{phase.name}_learning_rate")
