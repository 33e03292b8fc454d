"""Whose fault an error is, and how its message reads on a command line. Standard library only."""

import os
import re
from collections.abc import Collection


class UserError(ValueError):
    """What was asked for cannot be done; the message is for the user: the problem and the way out, in one line.

    Raised for settings, files and folders. The command line prints the message and nothing else. An error of any other
    class is a fault of the program, and keeps its traceback.
    """


def in_words(error: OSError) -> str:
    """`Permission denied: runs/mine` instead of `[Errno 13] Permission denied: 'runs/mine'`."""
    if not error.strerror:
        return str(error)
    return f"{error.strerror}: {os.fsdecode(error.filename)}" if error.filename else error.strerror


def with_dashes(message: str, settings: Collection[str]) -> str:
    """A message as a command line says it: settings as flags, `--batch_size must be ...`.

    Raised, a message names settings as Python does. Here they get their dashes where they are settings beyond doubt: at
    the beginning of a line, before a value (`folds=3`), and, where the name has an underscore, anywhere.

    Args:
      message: of a UserError.
      settings: the names of all flags.
    """
    names = "|".join(sorted(map(re.escape, settings), key=len, reverse=True))
    long = "|".join(sorted((re.escape(name) for name in settings if "_" in name), key=len, reverse=True))
    alone, end = r"(?<![\w./'\"*-])", r"(?![\w./*-])"
    message = re.sub(rf"(?m)^(\s*)({names})(?=[ :=])(?! of )", r"\1--\2", message)
    message = re.sub(rf"{alone}({names})(?==\S)", r"--\1", message)
    return re.sub(rf"{alone}({long}){end}(?!=)", r"--\1", message) if long else message
