"""A command line that cannot be used, said in one line."""

import re
from collections.abc import Callable

from ftdata.settings import said


class FlagError(ValueError):
    """A command line that cannot be used; the message is one line."""


def in_words(message: str, rule: Callable[[str], str]) -> str:
    """absl's `flag --batch_size=x: invalid literal for int() ...` in the words of this project.

    Args:
      message: of an error of absl.
      rule: what the flag of a name must be, such as `a whole number`.
    """
    if match := re.fullmatch(r"Missing value for flag --(\w+)", message):
        return f"--{match[1]} must be {rule(match[1])}, got no value"
    if match := re.fullmatch(r"--no(\w+)=(.*) does not take an argument", message, re.DOTALL):
        return f"--no{match[1]} takes no value, got {said(match[2])}: write --{match[1]} or --no{match[1]}"
    if match := re.match(r"flag --(\w+)=(.*?): ", message, re.DOTALL):
        return f"--{match[1]} must be {rule(match[1])}, got {said(match[2])}"
    return message.splitlines()[0]


def printable(text: str) -> str:
    """`text`, with escapes where it has characters that would end the line or steer a terminal."""
    return text if text.isprintable() else repr(text)
