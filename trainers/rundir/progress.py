"""How far a phase has come, as JSON values, and its history as a table."""

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainers.rundir.run_dir import write_atomically

FEW_STEPS = 20  # fewer than these are mostly compilation and say nothing of the speed

Row = dict[str, Any]  # an epoch in the history: JSON values by column


def _zeros(count: int) -> Any:
    return dataclasses.field(default_factory=lambda: [0.0] * count)


@dataclasses.dataclass
class Progress:
    """All that decides how a phase continues, besides the variables.

    Sums are of the losses, of right answers and of images. Times are in seconds.
    """

    step: int = 0
    totals: list[float] = _zeros(3)  # of the running epoch
    window: list[float] = _zeros(3)  # since the last log point
    history: list[Row] = dataclasses.field(default_factory=list)
    best: Row | None = None
    epochs_without_improvement: int = 0
    stopped: bool = False
    # where they are read instead of training images: how many rows, how many of them were computed, in seconds
    features: Row = dataclasses.field(default_factory=dict)
    skipped_steps: int = 0  # by loss scaling
    event_files: dict[str, int] = dataclasses.field(default_factory=dict)  # bytes of each
    clock: list[float] = _zeros(4)  # of the running epoch
    seconds: float = 0.0
    checkpoint_stall_seconds: float = 0.0
    checkpoint_write_seconds: float = 0.0

    @property
    def epochs(self) -> int:
        """How many are done."""
        return self.history[-1]["epoch"] if self.history else 0


# Of a row or of the whole: what is another on every machine and at every start, and decides nothing.
TIMINGS = (
    "images_per_second",
    "input_wait_fraction",
    "seconds",
    "checkpoint_stall_seconds",
    "checkpoint_write_seconds",
)
_DECIDING = ("step", "totals", "epochs_without_improvement", "stopped", "skipped_steps")


def without_timings(state: Mapping[str, Any]) -> Row:
    """What of a saved state a repetition of the phase gives again: JSON values by name, with the history."""
    history = [{name: value for name, value in row.items() if name not in TIMINGS} for row in state["history"]]
    return {**{name: state[name] for name in _DECIDING}, "history": history}


def write_history(path: Path, history: list[Row]) -> None:
    """Writes a row for each epoch as CSV, atomically."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, fieldnames=list(dict.fromkeys(name for row in history for name in row)))
            table.writeheader()
            table.writerows(history)

    write_atomically(path, write)


def read_history(path: Path) -> list[Row]:
    """The rows that `write_history` wrote, as numbers; empty cells are None."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [{name: float(value) if value else None for name, value in row.items()} for row in rows]
