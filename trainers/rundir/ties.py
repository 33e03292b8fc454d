"""Epochs of a phase that are as good as the one that was kept, and what decided between them."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftdata.names import listed
from trainers.rundir.progress import Row


def in_words(metrics: Mapping[str, Any], history: Sequence[Row]) -> str:
    """`of 3 that tie (2, 4 and 5) the one of the lowest validation loss`; empty where the kept epoch is alone.

    Of several averages of the weights, and where folds have chosen, an epoch is not all that was chosen among: then it
    is empty too.

    Args:
      metrics: of the phase.
      history: its epochs.
    """
    monitor, kept = metrics.get("monitor"), metrics.get("epoch")
    if kept is None or monitor in (None, "loss") or {"ema_decay", "interpolation", "chosen_among"} & metrics.keys():
        return ""
    best = metrics.get(f"validation_{monitor}")
    tied = [row for row in history if _is_level(row.get(f"validation_{monitor}"), best)]
    if len(tied) < 2 or kept not in [row["epoch"] for row in tied]:
        return ""
    losses = [row.get("validation_loss") for row in tied]
    is_first = losses.count(metrics.get("validation_loss")) > 1
    why = "the earliest" if is_first else "the one of the lowest validation loss"
    names = [f"{row['epoch']:.0f}" for row in tied]
    return f"of {len(tied)} that tie ({listed(names)}) {why}"


def _is_level(value: float | None, best: float | None) -> bool:
    """As the choice of the best epoch has it: means over classes differ in their last bits by which are right."""
    return value is not None and best is not None and round(value, 12) == round(best, 12)
