"""Text in Markdown is read as it was written."""

import pytest

from tests.tools import markdown_page
from trainers.report.markdown import escape

_NAMES = [
    "a|b",
    "<b>",
    "`x`",
    "a_b",
    "_a_ b",
    "*a*",
    "[a](b)",
    r"a\|b",
    "$x$",
    "~~a~~",
    "&lt;",
    "# a #",
    "![a](b)",
    "\\",
]


@pytest.mark.parametrize("name", _NAMES)
def test_a_name_in_a_cell_is_the_name(name):
    text = f"---\n---\n\n| x | y |\n|---|---|\n| {escape(name)} | 1 |\n\nNamed {escape(name)}.\n"
    assert markdown_page.tables(text) == [[["x", "y"], [name, "1"]]]
    assert markdown_page.prose(text)[-1] == f"Named {name}."
    assert markdown_page.html(text) == []


def test_a_name_stays_in_its_line():
    assert escape("a\nb") == r"a\\nb"
