"""A row of the history: what is known of an epoch when it ends, and which of two epochs is better."""

import dataclasses
import math
from collections.abc import Sequence

from trainers.evaluation.scores import Evaluation
from trainers.evaluation.summary import Summary
from trainers.rundir.progress import Row
from trainers.training.callbacks import Logs


def means(totals: Sequence[float]) -> dict[str, float]:
    """Mean loss and accuracy out of the sums of losses, right answers and images."""
    count = max(totals[2], 1.0)
    return {"loss": totals[0] / count, "accuracy": totals[1] / count}


def validation_columns(
    scores: Evaluation | Summary | None, *, kind: type[Summary] = Summary
) -> dict[str, float | None]:
    """The columns that tell of the validation split, those of `kind`; None in each where there is none."""
    names = [field.name for field in dataclasses.fields(kind)]
    return {f"validation_{name}": getattr(scores, name) if scores else None for name in names}


def keras_logs(row: Row) -> Logs:
    """A row with the names that Keras callbacks know, such as `val_loss`; without what has no value."""
    named = {name.replace("validation_", "val_"): value for name, value in row.items() if name != "epoch"}
    logs = {name: value for name, value in named.items() if value is not None}
    return {**logs, "lr": logs["learning_rate"]} if "learning_rate" in logs else logs  # its name before Keras 3


def monitor_key(row: Row, monitor: str) -> tuple[float, ...]:
    """Higher is better: what is monitored, then a low loss; an earlier epoch wins a tie.

    Without a validation split the last epoch is the best.
    """
    loss = row["validation_loss"]
    if loss is None:
        return (row["epoch"],)
    by_loss = -loss if math.isfinite(loss) else -math.inf
    if monitor == "loss":
        return (by_loss,)
    # rounded: a mean over classes differs in its last bits by which of them were right, and a tie has to be one
    return (round(row[f"validation_{monitor}"], 12), by_loss)
