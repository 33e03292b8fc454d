"""Images that a CSV lists and that are not to be trained on, such as those whose labels are wrong."""

from collections.abc import Mapping, Sequence

import numpy as np

from ftdata.errors import UserError
from ftdata.folders import table
from ftdata.names import composed, counted, listed
from ftdata.sources.split import Split


def without_listed(
    splits: Mapping[str, Split], exclude_csv: str, class_names: Sequence[str]
) -> tuple[dict[str, Split], list[str]]:
    """Leaves out of training and validation what a CSV lists; a test set stays as it came.

    Args:
      splits: by name, as the data set has them.
      exclude_csv: a table with a column `file`: names relative to the data set, as in predictions.csv.
      class_names: of the classes.

    Returns:
      The splits, and lines that say how many images are left out.

    Raises:
      UserError: the table cannot be used, lists none of the images, or leaves none of a class.
    """
    wanted = _files(exclude_csv)
    chosen = {
        name: np.array([composed(file) in wanted for file in split.names], bool) for name, split in splits.items()
    }
    found = {composed(split.names[k]) for name, split in splits.items() for k in np.flatnonzero(chosen[name])}
    if wanted and not found:
        example = next((split.names[0] for split in splits.values() if len(split)), "none")
        raise UserError(
            f"exclude_csv lists none of the images: {exclude_csv} begins with {next(iter(wanted))!r}, and names here "
            f"are like {example!r}"
        )
    left = {name: split if name == "test" else split.subset(~chosen[name]) for name, split in splits.items()}
    lost = [name for label, name in enumerate(class_names) if label not in left["train"].labels]
    if lost:
        raise UserError(f"exclude_csv leaves no training image of {listed(lost)}")
    count = sum(int(mask.sum()) for name, mask in chosen.items() if name != "test")
    notes = [f"{counted(count, 'image')} listed in {exclude_csv} {'is' if count == 1 else 'are'} left out"]
    if tested := int(chosen["test"].sum()) if "test" in chosen else 0:
        notes.append(f"{counted(tested, 'image')} listed there stay in the test set, which measures what it measured")
    if missing := len(wanted) - len(found):
        notes.append(
            f"{counted(missing, 'file')} listed there are not among the images: {listed(sorted(set(wanted) - found))}"
        )
    return left, notes


def _files(exclude_csv: str) -> dict[str, int]:
    """The files listed, each with a line that lists it."""
    _, rows = table.read(exclude_csv, setting="exclude_csv", columns=["file"])
    found: dict[str, int] = {}
    for row in rows:
        if row.misfit:
            raise UserError(f"line {row.line} of exclude_csv {row.misfit}")
        if not row.values["file"]:
            raise UserError(f"line {row.line} of exclude_csv names no file")
        found[composed(row.values["file"].replace("\\", "/").removeprefix("./"))] = row.line
    return found
