"""Images with several labels each, or none, as a CSV lists them: a column of 0 and 1 a class, or names in one."""

import dataclasses
import re
from collections.abc import Collection, Hashable, Sequence
from pathlib import Path

import numpy as np

from ftdata.errors import UserError
from ftdata.folders import labels_csv, roles, table
from ftdata.folders.folder import Files, Listing
from ftdata.folders.root import Root
from ftdata.names import composed, listed, look_alikes, shown
from ftdata.settings import said
from ftdata.texts import Texts

_VALUES = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_NAMES = ("labels", "label")  # either is the column of names
_OURS = ("file", "split")
_SEPARATORS = ";|"


@dataclasses.dataclass(frozen=True)
class _Image:
    line: int
    file: str
    path: str
    name: str
    split: str
    labels: frozenset[str]


def read(
    labels_file: str,
    image_dir: str | None,
    *,
    separator: str | None = None,
    known: Collection[str] | None = None,
    root: Root | None = None,
    copy: Path | None = None,
) -> Listing:
    """Lists the images of a CSV with the column `file`, perhaps `split`, and labels in one of two ways.

    Either there is a column `labels` (or `label`) of names with a separator between them, empty for a picture without a
    label, and further columns are not used; or each further column is a class, and 1 (or true) says that the picture
    shows it, 0 (or false) that it does not. Everything else is as in `labels_csv.read`.

    Args:
      labels_file: the CSV.
      image_dir: where the files are; by default the CSV's folder.
      separator: between the names; by default a semicolon or a bar.
      known: the classes of the model that is measured on them; None where it is to be trained on them.
      root: where the files are, where that is no folder of this machine.
      copy: of the CSV on this machine, where it lies elsewhere.

    Returns:
      Labels are float32 [n, num_classes] of 0 and 1.

    Raises:
      UserError: no such CSV, columns missing, a value that is neither 0 nor 1 (its line and column are named), a class
        that no training image shows, or a file with two sets of labels or that does not exist.
    """
    columns, rows = table.read(
        labels_file, setting="labels_csv", columns=["file"], optional=["split", *_NAMES], as_written=True, copy=copy
    )
    names_in = next((name for name in _NAMES if name in columns), None)
    further = [name for name in columns if name not in (*_OURS, *_NAMES)]
    if names_in is None:
        _check_classes(further, known)
    root, first = root or labels_csv.local_root(labels_file, image_dir), dict[Hashable, _Image]()
    separated, table_rows = not separator, list(rows)
    root.expect(labels_csv.spelled(row.values.get("file", "") for row in table_rows))
    for row in table_rows:
        separated |= bool(names_in and separator and separator in row.values.get(names_in, ""))
        found = _names(row, names_in, separator) if names_in else _columns(row, further)
        image, identity = _image(row, root, found)
        before = first.setdefault(identity, image)
        if (before.split, before.labels) != (image.split, image.labels):
            raise UserError(
                f"labels_csv names {image.file} twice: {_told(before)} in line {before.line} and {_told(image)} in "
                f"line {image.line}; all labels of a picture belong in one row"
            )
    if names_in and not separated:
        raise UserError(
            f"label_separator must stand between names of the column {names_in}, got {said(separator)}, which no row "
            "has: without the flag ; and | do"
        )
    result = _listing(list(first.values()), None if names_in else further, labels_file, known=known)
    idle = further if names_in else []
    notes = (f"columns of the CSV that are not used: {listed(idle)}",) if idle else ()
    return dataclasses.replace(result, notes=(*result.notes, *notes))


def _check_classes(names: Sequence[str], known: Collection[str] | None) -> None:
    twice = [name for name in names if sum(composed(name) == composed(other) for other in names) > 1]
    if twice:
        raise UserError(
            f"labels_csv must have one column for each class, got {names.count(twice[0])} of {said(twice[0])}"
        )
    if not names:
        raise UserError("labels_csv must have a column labels, or a column of 0 and 1 for each class, with task=multi")
    lacking = [name for name in known or () if composed(name) not in {composed(column) for column in names}]
    if lacking:
        raise UserError(
            f"labels_csv has no column for {listed(lacking)}, which the model knows: whether its pictures show "
            "them must be said"
        )


def _names(row: table.Row, column: str, separator: str | None) -> frozenset[str]:
    text = row.values.get(column, "")
    parts = text.split(separator) if separator else re.split(f"[{_SEPARATORS}]", text)
    return frozenset(composed(shown(part.strip())) for part in parts if part.strip())


def _columns(row: table.Row, classes: Sequence[str]) -> frozenset[str]:
    there = set()
    for name in classes:
        value = row.values.get(name, "")
        if value.casefold() not in _VALUES:
            if row.misfit:
                raise UserError(f"line {row.line} of labels_csv {row.misfit}")
            raise UserError(
                f"line {row.line} of labels_csv must have 0 or 1 in the column {said(shown(name))}, got {said(value)}: "
                "with task=multi every column but file and split is a class, unless there is a column labels"
            )
        if _VALUES[value.casefold()]:
            there.add(composed(shown(name)))
    return frozenset(there)


def _image(row: table.Row, root: Root, found: frozenset[str]) -> tuple[_Image, Hashable]:
    file = row.values.get("file")
    if not file:
        raise UserError(f"line {row.line} of labels_csv names no file: {', '.join(row.values.values())}")
    if row.misfit:
        raise UserError(f"line {row.line} of labels_csv {row.misfit}")
    split = labels_csv.split_of(row)
    name, identity = labels_csv.find(root, file, line=row.line)
    return _Image(row.line, file, root.path(name), shown(name), split, found), identity


def _told(image: _Image) -> str:
    return f"as {' + '.join(sorted(image.labels)) or 'nothing'} ({image.split})"


def _listing(
    images: Sequence[_Image], columns: Sequence[str] | None, origin: str, *, known: Collection[str] | None
) -> Listing:
    """Classes are sorted by name, as those of folders are."""
    if known is not None:
        tested = [image for image in images if image.split == roles.TEST] or images
        images = [dataclasses.replace(image, split=roles.TEST) for image in tested]
    shown_by = {name for image in images for name in image.labels}
    names = shown_by if columns is None else {composed(shown(name)) for name in columns}
    if not names or not images:
        raise UserError(f"{origin}: needs images with labels, found {'none with a label' if images else 'no image'}")
    class_names = tuple(sorted(names))
    if known is None:
        trained = {name for image in images if image.split == roles.TRAIN for name in image.labels}
        if unseen := [name for name in class_names if name not in trained]:
            raise UserError(
                f"{origin}: no training image shows {listed(unseen)}: add some, or take the label out of the CSV"
            )
    place = {name: k for k, name in enumerate(class_names)}
    by_split = {split: [image for image in images if image.split == split] for split in (*roles.SPLITS,)}
    splits = {split: _files(members, place) for split, members in by_split.items() if members}
    pairs = [f"{said(a)} and {said(b)}" for a, b in look_alikes(class_names)]
    note = f"warning: {listed(pairs)} are two classes, but differ only in capitals, blanks or hyphens: is one meant?"
    return Listing(class_names, splits, (note,) if pairs else ())


def _files(images: Sequence[_Image], place: dict[str, int]) -> Files:
    labels = np.zeros((len(images), len(place)), np.float32)
    for number, image in enumerate(images):
        labels[number, [place[name] for name in image.labels]] = 1
    return Files(Texts.of(image.path for image in images), Texts.of(image.name for image in images), labels)
