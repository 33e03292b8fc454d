"""Templates and values become Markdown, in which whatever stands in a value is text."""

import functools
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from trainers.models.class_names import in_a_line

_TEMPLATES = Path(__file__).with_name("templates")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# signs that mean something in the middle of a line; $ begins a formula where Markdown has them, and an underscore
# emphasis unless it stands within a word
_SIGNS = re.compile(r"[\\`*\[\]|~$#]|(?<![^\W_])_|_(?![^\W_])")


def escape(text: str) -> str:
    """The text as it stands in a line of Markdown or in a cell of a table, after other words."""
    return _SIGNS.sub(r"\\\g<0>", in_a_line(text).translate(_HTML))


def render(template: str, **values: Any) -> str:
    """The Markdown of a template; whatever stands in a value is escaped.

    Args:
      template: the name of its file.
      values: by the names that the template uses.
    """
    return _environment().get_template(template).render(**values)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,  # what `finalize` returns is Markup, which is left alone
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalized,
    )


def _finalized(value: Any) -> Any:
    return Markup(escape(value)) if isinstance(value, str) and not isinstance(value, Markup) else value
