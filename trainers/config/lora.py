"""What cannot go with adapters of low rank (`--lora_rank`), each in a line at once. Standard library only."""

from typing import TYPE_CHECKING

from ftdata.errors import UserError
from ftdata.settings import as_text, said

if TYPE_CHECKING:
    from trainers.config.training import TrainingConfig

_DECIDED = {"unfreeze": ("all",), "l2_start": 0, "interpolate_weights": False, "soup": False}  # and must be left so


def check(training: "TrainingConfig") -> None:
    """Checks the settings of a run with adapters, or without.

    Raises:
      UserError: a setting that they decide, or targets without a rank.
    """
    for name, usual in _DECIDED.items() if training.lora_rank else ():
        if getattr(training, name) != usual:
            raise UserError(
                f"{name} must be {as_text(usual) if usual else 'off'} with lora_rank, which decides it, got "
                f"{as_text(getattr(training, name))} (of the command or the preset)"
            )
    if training.lora_targets and not training.lora_rank:
        raise UserError(f"lora_targets needs a lora_rank above 0, got {said(as_text(training.lora_targets))} without")
