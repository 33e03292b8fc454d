"""What the data doctor counts where an image has several labels, or none, beside the images of each class."""

from typing import Any

import numpy as np

from ftdata.names import listed
from ftdata.sources.source import Source
from trainers.evaluation import label_thresholds
from trainers.models.class_names import in_a_line

_MOST_NAMED = 8


def look(data: Source, counts: np.ndarray, *, width: int) -> tuple[tuple[str, ...], dict[str, Any]]:
    """How many images there are in each split, how many of them without a label, and which classes too few show.

    Args:
      data: whose labels are several.
      counts: how many images show each class in training, validation and test, int64 [num_classes, 3].
      width: of the column of names, in characters.

    Returns:
      Lines, the first of them rows of the table of classes; and `images` and `without_label` by split, JSON values.
    """
    whole = {name: len(part) for name, part in data.splits.items()}
    without = {name: int((~part.labels.any(axis=1)).sum()) for name, part in data.splits.items()}
    rows = [_row("all images", whole, whole["train"], width), _row("no label", without, whole["train"], width)]
    rows.append(f"{counts[:, 0].sum() / max(1, whole['train']):.2f} labels a training image in the mean")
    return (*rows, *_too_few(data, counts[:, 1])), {"images": whole, "without_label": without}


def _row(words: str, found: dict[str, int], all_trained: int, width: int) -> str:
    cells = "".join(f"{count:>12,}" for count in found.values())
    return f"{words:<{width}} {cells}{found['train'] / max(1, all_trained):>10.1%}"


def _too_few(data: Source, shown: np.ndarray) -> list[str]:
    """A warning of thresholds that little evidence will choose; `shown` are the validation images of each class."""
    count, least = len(data.validation), label_thresholds.FEW
    few = np.flatnonzero(np.minimum(shown, count - shown) < least)
    if not count or not len(few):
        return []
    order = few[np.argsort(shown[few], kind="stable")]
    named = listed([f"{in_a_line(data.class_names[k])} ({shown[k]:,})" for k in order], limit=_MOST_NAMED)
    what = f"warning: fewer than {least} validation images show, or do not show, {named}"
    return [f"{what}: their thresholds will stay near 1/2, and their scores say little"]
