"""Class names in files: a folder may be called almost anything, and a line, a column or a tag must bear it."""

import unicodedata
from collections.abc import Sequence

_BREAKING = ("Cc", "Zl", "Zp")  # Unicode categories of control characters and of separators of lines and paragraphs


def in_a_line(name: str) -> str:
    """The name without line breaks and other control characters: they and bytes that are not UTF-8 are escaped."""
    readable = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _BREAKING else character
        for character in readable
    )


def as_lines(names: Sequence[str]) -> str:
    """The text of a labels.txt: a line for each class, in order."""
    return "".join(f"{in_a_line(name)}\n" for name in names)


def of_lines(text: str) -> list[str]:
    """The names in a labels.txt, this project's or another's."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def as_columns(names: Sequence[str], *, taken: Sequence[str]) -> list[str]:
    """Column names of a table that has the columns `taken` already: a class of such a name is told apart."""
    used, columns = {*taken, *names}, []
    for name in names:
        column = name
        while column in taken or (column != name and column in used):
            column = f"class {column}"
        used.add(column)
        columns.append(column)
    return columns


def in_a_figure(text: str) -> str:
    """The text, of one line or more, as matplotlib draws it literally: dollar signs would begin and end a formula."""
    return "\n".join(in_a_line(line) for line in text.split("\n")).replace("$", r"\$")
