"""A CSV as people save it: separated by commas, semicolons, tabs or bars, with blanks, capitals and empty rows."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ftdata.errors import UserError
from ftdata.names import shown, what_is_at
from ftdata.settings import said

_DELIMITERS = ",;\t|"


class Row(NamedTuple):
    """A row that is not empty: its line in the file, its values by column, and what is wrong with their number."""

    line: int
    values: dict[str, str]
    misfit: str | None


def read(
    path: str,
    *,
    setting: str,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    as_written: bool = False,
    else_hint: str = "",
    copy: Path | None = None,
) -> tuple[list[str], Iterator[Row]]:
    """The names of a table's columns, and its rows.

    Fields are separated as the header shows; blanks around them do not count, nor do the capitals of column names.

    Args:
      path: of the file.
      setting: that names it, for messages.
      columns: that it must have.
      optional: that it may have; neither of these twice.
      as_written: whether other columns keep their capitals.
      else_hint: what to do where they are missing on purpose, for the message.
      copy: of the file on this machine, where `path` is the address of one elsewhere.

    Raises:
      UserError: no such file, no text in UTF-8, no CSV, or columns missing or twice.
    """
    file = copy or Path(path).expanduser()
    table = path if copy else file
    if not file.is_file():
        raise UserError(f"{setting} must be a CSV file, got {said(path)}: {what_is_at(file, missing='no such file')}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{setting} must be text in UTF-8, got {table}: {error}; save it as CSV UTF-8") from None
    first, _, following = text.partition("\n")
    names_separator = first.lower().startswith("sep=")  # a line for spreadsheet programs
    header = following.partition("\n")[0] if names_separator else first
    delimiter = max(_DELIMITERS, key=header.count)  # the first of those that stand most often
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=delimiter != "\t")
    try:
        if names_separator:
            next(lines)
        written = [name.strip() for name in next(lines, [])]
    except csv.Error as error:
        raise UserError(f"{setting} must be a CSV file, got {table}: {error}") from None
    names, ours = [name.casefold() for name in written], (*columns, *optional)
    if as_written:
        names = [small if small in ours else name for small, name in zip(names, written, strict=True)]
    if not set(columns) <= set(names):
        got = f"{shown(','.join(names))} in" if text else "nothing in"
        one = "column" if len(columns) == 1 else "columns"
        raise UserError(
            f"{setting} must have the {one} {','.join(columns)}, got {got} {table}: name the {one} so in its first "
            f"line{else_hint}"
        )
    twice = [name for name in ours if names.count(name) > 1]
    if twice:
        raise UserError(f"{setting} must have one column {twice[0]}, got {names.count(twice[0])} in {table}")
    return names, _rows(lines, names, f"{setting} must be a CSV file, got {table}")


def _rows(lines: "csv._reader", names: list[str], no_csv: str) -> Iterator[Row]:  # type: ignore[name-defined]
    try:
        for fields in lines:
            values = [value.strip() for value in fields]
            if any(values):
                while len(values) > len(names) and not values[-1]:  # spreadsheet programs fill rows up
                    values.pop()
                yield Row(lines.line_num, dict(zip(names, values, strict=False)), _misfit(len(values), len(names)))
    except csv.Error as error:
        raise UserError(f"{no_csv}: {error}") from None


def _misfit(count: int, expected: int) -> str | None:
    if count == expected:
        return None
    quoting = "a value with the separator in it must stand in quotes"
    return (
        f"has {count} fields and the first line {expected}: "
        f"{quoting if count > expected else 'an empty value still needs its separator'}"
    )
