"""Images that a CSV lists and that are not to be trained on, such as those whose labels are wrong."""

from collections.abc import Mapping, Sequence

import numpy as np

from ftdata import labels
from ftdata.errors import UserError
from ftdata.folders import table
from ftdata.names import composed, counted, listed
from ftdata.settings import said
from ftdata.sources.split import Split


def without_listed(
    splits: Mapping[str, Split], exclude_csv: str, class_names: Sequence[str]
) -> tuple[dict[str, Split], list[str]]:
    """Leaves out of training and validation what a CSV lists; the test set stays whole.

    Args:
      splits: by name.
      exclude_csv: a table with a column `file`: names relative to the data set, as in label_errors.csv.
      class_names: of the classes.

    Returns:
      The splits, and lines that say how many images are left out.

    Raises:
      UserError: the table cannot be used, lists none of the images, or leaves none of a class.
    """
    wanted, there = _files(exclude_csv), {_key(name) for split in splits.values() for name in split.names}
    found = {file: key for file in wanted if (key := _known(file, there)) is not None}
    if not found:
        example = next((split.names[0] for split in splits.values() if len(split)), "none")
        raise UserError(
            f"exclude_csv must list images of this data set, whose names are like {said(example)}, got {exclude_csv}: "
            + (f"its first file is {said(wanted[0])}" if wanted else "it lists no file")
        )
    keys = set(found.values())
    chosen = {name: np.array([_key(file) in keys for file in split.names], bool) for name, split in splits.items()}
    left = {name: split if name == "test" else split.subset(~chosen[name]) for name, split in splits.items()}
    before, after = (labels.counts(part["train"].labels, len(class_names)) for part in (splits, left))
    if gone := [class_names[k] for k in np.flatnonzero((before > 0) & (after == 0)).tolist()]:
        raise UserError(f"exclude_csv leaves no training image of {listed(gone)}")
    counts = {name: int(mask.sum()) for name, mask in chosen.items()}
    notes, tested = list[str](), counts.pop("test", 0)
    if count := sum(counts.values()):
        notes.append(f"{counted(count, 'image')} listed in {exclude_csv} {'is' if count == 1 else 'are'} left out")
    if tested:
        are, stay = ("is", "stays") if tested == 1 else ("are", "stay")
        notes.append(f"{counted(tested, 'image')} of the test set {are} listed in {exclude_csv} and {stay} in it")
    if unknown := [file for file in wanted if file not in found]:
        notes.append(f"not among the images is what {exclude_csv} lists as {listed(unknown)}")
    return left, notes


def _files(exclude_csv: str) -> list[str]:
    _, rows = table.read(exclude_csv, setting="exclude_csv", columns=["file"])
    found = []
    for row in rows:
        if row.misfit:
            raise UserError(f"line {row.line} of exclude_csv {row.misfit}")
        if not row.values["file"]:
            raise UserError(f"line {row.line} of exclude_csv names no file")
        found.append(row.values["file"])
    return found


def _known(file: str, there: set[str]) -> str | None:
    """Which of the images a row means, as it is written or with the slashes of Windows."""
    return next((key for key in (_key(file), _key(file.replace("\\", "/"))) if key in there), None)


def _key(name: str) -> str:
    return composed(name).removeprefix("./")
