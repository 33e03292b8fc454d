"""What a model says of an image, as a line of text, a caption and a line of JSON."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from ftdata.folders import folder
from trainers.evaluation import label_reports
from trainers.models.class_names import in_a_line


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
