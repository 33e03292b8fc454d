"""What a model says of an image: as JSON values, as a line of text, a caption and a line of JSON."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ftdata.folders import folder
from ftdata.names import listed
from trainers.evaluation import label_reports
from trainers.evaluation.label_thresholds import as_text
from trainers.evaluation.ranking import highest
from trainers.models.class_names import in_a_line

_TOP = 5  # guesses kept for each image
_MOST_THRESHOLDS = 20  # in a line


def row(
    path: str, probabilities: np.ndarray, class_names: Sequence[str], least: np.ndarray | None = None
) -> dict[str, Any]:
    """What a model says of one image, as JSON values: what stands in a line of `--json`.

    Of a model of one class an image `predicted` is the most probable one. Of a model of several labels no class is:
    `labels` are those given, in the order of the classes, and all of them are among `top`.

    Args:
      path: of the image.
      probabilities: float [num_classes].
      class_names: in their order.
      least: of a model of several labels, the threshold of each, float32 [num_classes].
    """
    given = np.zeros(len(probabilities), bool) if least is None else probabilities >= least
    shown = np.union1d(highest(probabilities, _TOP), np.flatnonzero(given))
    shown = shown[np.argsort(-probabilities[shown], kind="stable")]
    top = [{"class": class_names[k], "index": k, "probability": float(probabilities[k])} for k in shown.tolist()]
    if least is None:
        return {"file": path, "predicted": top[0]["class"], "probability": top[0]["probability"], "top": top}
    top = [guess | {"threshold": float(least[guess["index"]])} for guess in top]
    return {"file": path, "labels": [class_names[k] for k in np.flatnonzero(given).tolist()], "top": top}


def table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each image: its file and its best guesses."""
    names = [folder.shown(row["file"]) for row in rows]
    width = max(map(len, names))
    for name, row in zip(names, rows, strict=True):
        guesses = "  ".join(f"{guess['probability']:>6.1%} {in_a_line(guess['class'])}" for guess in row["top"])
        if "labels" in row:
            guesses = f"{label_reports.in_words(row['labels'])}  ({guesses})"
        remark = "  none of these" if row.get("none_of_these") else ""
        remark = remark or ("" if row.get("accepted", True) else "  below its threshold")
        yield f"{name:<{width}}  {guesses}{remark}"


def thresholds(class_names: Sequence[str], least: np.ndarray | None) -> Iterator[str]:
    """A line on those of a model of several labels, of many classes the first; none for a model of one class."""
    if least is not None:
        each = [f"{in_a_line(name)} {as_text(value)}" for name, value in zip(class_names, least.tolist(), strict=True)]
        yield f"a label is given from its threshold on: {listed(each, limit=_MOST_THRESHOLDS)}"


def caption(row: dict[str, Any]) -> str:
    """What stands above an image."""
    if "labels" in row:
        return label_reports.in_words(row["labels"])[:28]
    return f"{row['predicted'][:24]} {row['probability']:.0%}"


def json_line(row: dict[str, Any]) -> str:
    """In letters where standard output can take them, else in JSON's escapes, as for names that are not UTF-8."""
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(row)
    return line
