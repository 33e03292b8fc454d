"""The labels of images as an array: a class each, int32 [n], or, with --task=multi, which classes each shows, float32
[n, num_classes] of 0 and 1. Numpy only.

What counts or names labels asks here, and need not know which of the two they are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

NOTHING = "none"  # what a picture without a label is said to show


def is_multi(labels: np.ndarray) -> bool:
    """Whether an image may have several labels, or none."""
    return labels.ndim == 2


def counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """How many images show each class: int64 [num_classes]."""
    if is_multi(labels):
        return (labels > 0).sum(axis=0)
    return np.bincount(labels, minlength=num_classes)


def in_words(label: Any, class_names: Sequence[str]) -> str:
    """A label as text: the class, or the classes, as in `fork + knife`.

    Args:
      label: a row of the labels, an int or [num_classes].
      class_names: of the classes.
    """
    if np.ndim(label) == 0:
        return class_names[int(label)]
    return " + ".join(class_names[k] for k in np.flatnonzero(label).tolist()) or NOTHING


def renumbered(labels: np.ndarray, places: np.ndarray, num_classes: int) -> np.ndarray:
    """The same labels among other classes: class k becomes `places[k]` of `num_classes`."""
    if not is_multi(labels):
        return places[labels]
    among = np.zeros((len(labels), num_classes), np.float32)
    among[:, places] = labels
    return among
