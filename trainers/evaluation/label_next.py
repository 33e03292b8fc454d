"""Which of the images without labels somebody should label next: those that would teach a model most.

Half of them are those that it is least certain of: the smallest difference between its two most probable classes
(margin sampling; Settles: Active Learning Literature Survey, 2009). The other half are those most unlike the images it
knows, where that is measured: of these it may be certain and wrong.
"""

import csv
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainers.rundir.run_dir import write_atomically

_COLUMNS = ("file", "label", "why", "predicted", "probability", "unlike")


def chosen(rows: Sequence[Mapping[str, Any]], count: int) -> list[tuple[int, str]]:
    """(place, why) of up to `count` images, the most telling first.

    Args:
      rows: of predictions: `top`, with a `probability` each, and where it is measured `unlike`.
      count: of images.
    """
    margin = sorted(range(len(rows)), key=lambda place: _margin(rows[place]))
    rankings = [[(place, "least certain") for place in margin]]
    if rows and "unlike" in rows[0]:
        far = sorted(range(len(rows)), key=lambda place: -rows[place]["unlike"])
        rankings.append([(place, "most unlike") for place in far])
    found: dict[int, str] = {}
    for place, why in itertools.chain.from_iterable(zip(*rankings, strict=True)):
        if len(found) < count:
            found.setdefault(place, why)
    return list(found.items())


def write(path: Path, rows: Sequence[Mapping[str, Any]], names: Sequence[str], count: int) -> tuple[int, Path]:
    """Writes a CSV whose column `label` is to be filled in, as `--labels_csv` reads it; returns how many it lists, and
    where.

    Args:
      path: of the CSV; a file there that somebody has written labels into stays, and the next free name is taken.
      rows: of predictions.
      names: of their files, as the CSV has them.
      count: how many to list at most.
    """
    listed = chosen(rows, count)

    def fill(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
            table = csv.writer(stream)
            table.writerow(_COLUMNS)
            for place, why in listed:
                row, unlike = rows[place], rows[place].get("unlike")
                shares = [f"{row['probability']:.6f}", "" if unlike is None else f"{unlike:.4g}"]
                table.writerow([names[place], "", why, row["predicted"], *shares])

    numbered = (path.with_stem(f"{path.stem}_{number}") for number in itertools.count(2))
    free = next(place for place in itertools.chain([path], numbered) if not _is_labelled(place))
    write_atomically(free, fill)
    return len(listed), free


def _is_labelled(path: Path) -> bool:
    """Whether the file is there and is not a list as it was written, without labels."""
    if not path.exists():
        return False
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        header, *rows = [*csv.reader(stream)] or [[]]
    return tuple(header) != _COLUMNS or any(row[1:2] != [""] for row in rows)


def _margin(row: Mapping[str, Any]) -> float:
    best, *others = (guess["probability"] for guess in row["top"])
    return best - (others[0] if others else 0.0)
