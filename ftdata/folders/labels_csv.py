"""The images of a data set as a CSV lists them: file, label and, where there is such a column, split."""

import dataclasses
import os
import unicodedata
from collections.abc import Collection, Hashable, Iterable
from pathlib import Path

from ftdata.errors import UserError
from ftdata.folders import roles, table
from ftdata.folders.folder import Listing, listing
from ftdata.folders.root import LocalRoot, Root
from ftdata.inspection import file_kind
from ftdata.names import composed, listed, shown
from ftdata.settings import said

_COLUMNS = ("file", "label", "split")  # the last may be missing


@dataclasses.dataclass(frozen=True)
class _Row:
    line: int
    file: str
    label: str
    split: str


def read(
    labels_csv: str,
    image_dir: str | None,
    *,
    known: Collection[str] | None = None,
    root: Root | None = None,
    copy: Path | None = None,
) -> Listing:
    """Lists the images named in a CSV with the columns `file`, `label` and perhaps `split`.

    Files are relative to `image_dir` or, without one, to the CSV's folder. Fields are separated by commas, semicolons,
    tabs or bars, as the header shows; blanks around them do not count, nor do the capitals of column names. Splits
    are named as folders are (`ftdata.folders.roles`). A row that says again what another has said, of the same file on
    disk, counts once.

    Args:
      labels_csv: the CSV.
      image_dir: where the files are.
      known: the classes of the model that is measured on them; None where it is to be trained on them.
      root: where the files are, where that is no folder of this machine.
      copy: of the CSV on this machine, where it lies elsewhere.

    Raises:
      UserError: no such CSV, no text in UTF-8, columns missing, a row with another number of fields, or a file
        without a label, with two labels or splits, or that does not exist (the first is named, with its line).
    """
    hint = "; several labels an image need --task=multi"
    columns, rows = table.read(
        labels_csv, setting="labels_csv", columns=_COLUMNS[:2], optional=_COLUMNS[2:], else_hint=hint, copy=copy
    )
    root = root or local_root(labels_csv, image_dir)
    named = [_row(row) for row in rows]
    root.expect(spelled(row.file for row in named))
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    first: dict[Hashable, _Row] = {}  # file -> the row that named it
    for row in named:
        name, identity = find(root, row.file, line=row.line)
        before = first.setdefault(identity, row)
        for what in ("label", "split"):
            if (was := getattr(before, what)) != (now := getattr(row, what)):
                other = "" if before.file == row.file else f" ({before.file} is the same file)"
                raise UserError(
                    f"labels_csv names {row.file} twice: as {was} in line {before.line} and as {now} in line "
                    f"{row.line}{other}"
                )
        if before is row:  # the same file with the same label once more says nothing new
            files = found.setdefault(row.split, {}).setdefault(composed(shown(row.label)), [])
            files.append((root.path(name), shown(name)))
    result = listing(found, labels_csv, known=known)
    idle = [name for name in columns if name not in _COLUMNS]
    notes: tuple[str, ...] = (f"columns of the CSV that are not used: {listed(idle)}",) if idle else ()
    if several := [name for name in result.class_names if ";" in name]:
        notes += (f"warning: each is one class here: {listed(several)}; several labels an image need --task=multi",)
    return dataclasses.replace(result, notes=(*result.notes, *notes))


def _row(row: table.Row) -> _Row:
    values, line = row.values, row.line
    if not values.get("file"):
        raise UserError(f"line {line} of labels_csv names no file: {', '.join(values.values())}")
    if not values.get("label"):
        hint = "; with --task=multi an image may have none"
        raise UserError(f"line {line} of labels_csv gives no label for {values['file']}{hint}")
    if row.misfit:
        raise UserError(f"line {line} of labels_csv {row.misfit}")
    return _Row(line, values["file"], values["label"], split_of(row))


def split_of(row: table.Row) -> str:
    """The split that a row gives its file, train where there is no such column.

    Raises:
      UserError: no split is called so.
    """
    values = row.values
    split = roles.split_of(values["split"]) if "split" in values else roles.TRAIN
    if split is None:
        raise UserError(
            f"labels_csv gives {values['file']} the split {said(values['split'])} in line {row.line}: it must be "
            "train, validation or test (to do without it, give the column another name)"
        )
    return split


def local_root(labels_csv: str, image_dir: str | None) -> LocalRoot:
    """Where the files of a CSV are on this machine: in a folder, or beside it."""
    return LocalRoot(Path(image_dir or os.path.dirname(labels_csv)).expanduser())


def spelled(files: Iterable[str]) -> list[str]:
    """Files, in all the spellings that `find` tries."""
    return list(dict.fromkeys(name for file in files if file for name in _spellings(file)))


def find(root: Root, file: str, *, line: int) -> tuple[str, Hashable]:
    """The name of the file of a row as it is spelled where it lies, and what identifies it there.

    Raises:
      UserError: there is no such file.
    """
    for name in map(root.relative, _spellings(file)):
        identity = root.identity(name)
        if identity is not None:
            return name, identity
    missing, slashes = shown(root.path(root.relative(file))), _spellings(file)[-1]
    raise UserError(f"line {line} of labels_csv names a file that does not exist: {missing}{_hint(root, slashes)}")


def _spellings(file: str) -> list[str]:
    slashes = file.replace("\\", "/")  # as Windows writes it
    return list(dict.fromkeys([file, slashes, *(unicodedata.normalize(form, slashes) for form in ("NFC", "NFD"))]))


def _hint(root: Root, name: str) -> str:
    """The way out for tables that leave out the ending of file names."""
    endings = () if "\0" in name else file_kind.extensions()
    root.expect([name + end for end in endings])
    there = next((name + end for end in endings if root.identity(name + end) is not None), None)
    return f"; {shown(there)} does: the CSV must give the ending too" if there else ""
