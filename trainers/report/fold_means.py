"""What the folds' models say of what each left out, epoch by epoch, in the mean: the validation of a run with folds."""

from collections.abc import Mapping, Sequence

import numpy as np

from ftdata.settings import as_text
from trainers.report.run_files import RunFiles
from trainers.rundir.progress import Row

_SCORES = ("loss", "accuracy", "balanced_accuracy", "f1_macro", "f1_micro", "map")


def histories(run: RunFiles) -> dict[str, list[Row]]:
    """The mean over the folds of each epoch that all of them have, by phase; nothing without folds.

    Where several averages of the weights were compared (`--ema_decay`) it is that of the one that was chosen.
    """
    return {name: rows for name in run.histories if (rows := _of_phase(run, name))}


def _of_phase(run: RunFiles, phase: str) -> list[Row]:
    parts = [fold[phase] for fold in run.folds.values() if phase in fold]
    if len(parts) < len(run.folds) or not parts:
        return []
    decay = run.phases.get(phase, {}).get("ema_decay")
    by_epoch = [{row["epoch"]: row for row in part} for part in parts]
    shared = sorted(set.intersection(*(set(rows) for rows in by_epoch)))
    return [_mean(epoch, [rows[epoch] for rows in by_epoch], decay) for epoch in shared]


def _mean(epoch: float, rows: Sequence[Row], decay: float | None) -> Row:
    found: Row = {"epoch": epoch}
    for score in _SCORES:
        values = [_of_chosen(row, score, decay) for row in rows]
        known = [value for value in values if value is not None]
        found[f"validation_{score}"] = float(np.mean(known)) if len(known) == len(rows) else None
    return found


def _of_chosen(row: Mapping[str, float | None], score: str, decay: float | None) -> float | None:
    chosen = row.get(f"validation_{score}_ema_{as_text(decay)}") if decay is not None else None
    return row.get(f"validation_{score}") if chosen is None else chosen


def title(run: RunFiles) -> str:
    """Of its line."""
    return f"left out, mean of {len(run.folds)} folds"


def in_words(run: RunFiles) -> str:
    """What the curves of a run with folds are of."""
    epoch = run.metrics.get("epoch")
    kept = f"epoch {epoch:.0f}" if epoch else f"the model that {run.final} starts from"
    chosen = f", by which {kept} was chosen" if run.final and epoch is not None else ""
    return (
        f"The final model was trained on all training images and has no validation split. What is left out is of the "
        f"{len(run.folds)} models that were each trained without a part of the images and judged on that part{chosen}."
    )
