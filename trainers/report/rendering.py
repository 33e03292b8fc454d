"""Templates and values become a page that loads nothing from outside."""

import base64
import functools
import hashlib
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from trainers.models.class_names import in_a_line

_TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: Any) -> str:
    """The page. Whatever stands in a value is text: it is escaped, and so are line breaks and other control characters.

    Args:
      template: the name of its file.
      values: by the names that the template uses.
    """
    return _environment().get_template(template).render(**values)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_in_a_line,
    )
    environment.filters["breakable"], environment.filters["flagged"] = _breakable, _flagged
    environment.globals["style"] = Markup(_read("style.css"))
    environment.globals["script"] = Markup(_read("sort.js"))
    environment.globals["script_digest"] = base64.b64encode(hashlib.sha256(_read("sort.js").encode()).digest()).decode()
    return environment


def _in_a_line(value: Any) -> Any:
    return in_a_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _breakable(value: Any) -> Any:
    """Text that may go on in the next line after the parts of a path or of a name, as a browser would not do it."""
    if not isinstance(value, str):
        return value
    return _kept_whole(re.sub("([_/])(?=.)", r"\1<wbr>", str(escape(in_a_line(value)))))


def _flagged(value: Any) -> Any:
    """Text in which the name of a flag stays in one line with its dashes, after which a browser would go on below."""
    return _kept_whole(str(escape(in_a_line(value)))) if isinstance(value, str) else value


def _kept_whole(text: str) -> Markup:
    return Markup(re.sub(r"--[a-z](?:[a-z0-9_]|<wbr>)*", r'<span class="flag">\g<0></span>', text))


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
