"""What a reader can take in where there are too many classes to show them all."""

from collections.abc import Sequence

import numpy as np

MOST_CLASSES = 30  # on a screen and in a figure
_MOST_NAMES = 20  # in a line
_LONGEST_NAME = 40  # characters, in a figure


def in_a_line(names: Sequence[str]) -> str:
    """`a, b, c`; of many names the first, and how many there are."""
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:_MOST_NAMES])}, ... ({len(names):,} in all)"


def literal(text: str) -> str:
    """A text as matplotlib draws it: a dollar sign in it begins no formula."""
    return text.replace("$", r"\$")


def label(name: str) -> str:
    """A name as it stands at an axis: not too long."""
    return literal(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}...")


def most_confused(counts: np.ndarray, limit: int = MOST_CLASSES) -> np.ndarray:
    """The classes that are in most of the mistakes, in the order of the classes: int64 [up to limit].

    Args:
      counts: int [num_classes, num_classes], rows are true classes, columns predicted ones.
      limit: of the classes.
    """
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diagonal(counts)
    return np.sort(np.argsort(-mistakes, kind="stable")[:limit])
