"""What a reader can take in where there are too many classes to show them all."""

import numpy as np

from trainers.models.class_names import in_a_figure

MOST_CLASSES = 30  # on a screen and in a figure
_LONGEST_NAME = 40  # characters, in a figure


def label(name: str) -> str:
    """A name as it stands at an axis: not too long."""
    return in_a_figure(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}...")


def most_confused(counts: np.ndarray, limit: int = MOST_CLASSES) -> np.ndarray:
    """The classes that are in most of the mistakes, in the order of the classes: int64 [up to limit].

    Args:
      counts: int [num_classes, num_classes], rows are true classes, columns predicted ones.
      limit: of the classes.
    """
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diagonal(counts)
    return np.sort(np.argsort(-mistakes, kind="stable")[:limit])
