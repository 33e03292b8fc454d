"""The images of a data set as a CSV lists them: file, label and, where there is such a column, split."""

import csv
import dataclasses
import io
import os
import stat
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path

from ftdata.errors import UserError
from ftdata.folders import roles
from ftdata.folders.folder import Listing, listing
from ftdata.inspection.file_kind import EXTENSIONS
from ftdata.names import composed, listed, shown, what_is_at

_DELIMITERS = ",;\t|"
_COLUMNS = ("file", "label", "split")  # the last may be missing


@dataclasses.dataclass(frozen=True)
class _Row:
    line: int
    file: str
    label: str
    split: str


def read(labels_csv: str, image_dir: str | None, *, known: Collection[str] | None = None) -> Listing:
    """Lists the images named in a CSV with the columns `file`, `label` and perhaps `split`.

    Files are relative to `image_dir` or, without one, to the CSV's folder. Fields are separated by commas, semicolons,
    tabs or bars, as the header shows; blanks around them do not count, nor do the capitals of column names. Splits
    are named as folders are (`ftdata.folders.roles`). A row that says again what another has said, of the same file on
    disk, counts once.

    Args:
      labels_csv: the CSV.
      image_dir: where the files are.
      known: the classes of the model that is measured on them; None where it is to be trained on them.

    Raises:
      UserError: no such CSV, no text in UTF-8, columns missing, a row with another number of fields, or a file
        without a label, with two labels or splits, or that does not exist (the first is named, with its line).
    """
    table = Path(labels_csv).expanduser()
    if not table.is_file():
        there = what_is_at(table, missing="no such file")
        raise UserError(f"labels_csv must be a CSV file, got {labels_csv!r}: {there}")
    root = Path(image_dir).expanduser() if image_dir else table.parent
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    first: dict[tuple[int, int], _Row] = {}  # file on disk -> the row that named it
    columns, rows = _read(table)
    for row in rows:
        name, identity = _find(root, row)
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
            files.append((str(root / name), shown(name)))
    result = listing(found, labels_csv, known=known)
    idle = [name for name in columns if name not in _COLUMNS]
    notes = (f"columns of the CSV that are not used: {listed(idle)}",) if idle else ()
    return dataclasses.replace(result, notes=(*result.notes, *notes))


def _read(table: Path) -> tuple[list[str], Iterator[_Row]]:
    """The names of the columns, and the rows that are not empty."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"labels_csv must be text in UTF-8, got {table}: {error}; save it as CSV UTF-8") from None
    first, _, following = text.partition("\n")
    names_separator = first.lower().startswith("sep=")  # a line for spreadsheet programs
    header = following.partition("\n")[0] if names_separator else first
    delimiter = max(_DELIMITERS, key=header.count)  # the first of those that stand most often
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=delimiter != "\t")
    try:
        if names_separator:
            next(lines)
        columns = [name.strip().casefold() for name in next(lines, [])]
    except csv.Error as error:
        raise _no_csv(table, error) from None
    if not {"file", "label"} <= set(columns):
        got = columns if text else None
        raise UserError(
            f"labels_csv must have the columns file,label, got {got} in {table}: name the columns so in its first line"
        )
    twice = [name for name in _COLUMNS if columns.count(name) > 1]
    if twice:
        raise UserError(f"labels_csv must have one column {twice[0]}, got {columns.count(twice[0])} in {table}")
    return columns, _rows(lines, columns, table)


def _rows(lines: "csv._reader", columns: list[str], table: Path) -> Iterator[_Row]:  # type: ignore[name-defined]
    try:
        for fields in lines:
            values = [value.strip() for value in fields]
            if any(values):
                yield _row(values, columns, lines.line_num)
    except csv.Error as error:
        raise _no_csv(table, error) from None


def _no_csv(table: Path, error: csv.Error) -> UserError:
    return UserError(f"labels_csv must be a CSV file, got {table}: {error}")


def _row(values: list[str], columns: list[str], line: int) -> _Row:
    while len(values) > len(columns) and not values[-1]:  # spreadsheet programs fill rows up
        values.pop()
    row = dict(zip(columns, values, strict=False))
    if not row.get("file"):
        raise UserError(f"line {line} of labels_csv names no file: {', '.join(values)}")
    if not row.get("label"):
        raise UserError(f"line {line} of labels_csv gives no label for {row['file']}")
    if len(values) != len(columns):
        quoting = "a value with the separator in it must stand in quotes"
        raise UserError(
            f"line {line} of labels_csv has {len(values)} fields and the first line {len(columns)}: "
            f"{quoting if len(values) > len(columns) else 'an empty value still needs its separator'}"
        )
    split = roles.split_of(row["split"]) if "split" in row else roles.TRAIN
    if split is None:
        raise UserError(
            f"labels_csv gives {row['file']} the split {row['split']!r} in line {line}: it must be train, validation "
            "or test (to do without it, give the column another name)"
        )
    return _Row(line, row["file"], row["label"], split)


def _find(root: Path, row: _Row) -> tuple[str, tuple[int, int]]:
    """The file's name as it is spelled on disk, and what identifies it there."""
    slashes = row.file.replace("\\", "/")  # as Windows writes it
    spellings = [row.file, slashes, *(unicodedata.normalize(form, slashes) for form in ("NFC", "NFD"))]
    for name in dict.fromkeys(spellings):
        try:
            status = os.stat(root / name)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            continue
        if stat.S_ISREG(status.st_mode):
            return name, (status.st_dev, status.st_ino)
    missing = shown(str(root / row.file))
    raise UserError(f"line {row.line} of labels_csv names a file that does not exist: {missing}{_hint(root, slashes)}")


def _hint(root: Path, name: str) -> str:
    """The way out for tables that leave out the ending of file names."""
    there = next((name + end for end in EXTENSIONS if "\0" not in name and os.path.isfile(root / (name + end))), None)
    return f"; {shown(there)} does: the CSV must give the ending too" if there else ""
