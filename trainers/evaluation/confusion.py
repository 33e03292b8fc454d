"""How often each class is taken for each other: the pairs that occur, which are as many as the images at most.

The whole matrix of 20,000 classes would be 3.2 GB of zeros, nearly all of it.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainers.evaluation import excerpt


@dataclasses.dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of images by true and predicted class.

    Attributes:
      cells: true class, predicted class and how many images: int64 [k, 3] of the pairs that occur, right ones too, in
        the order of the classes.
      num_classes: how many classes there are.
    """

    cells: np.ndarray
    num_classes: int

    @classmethod
    def of(cls, labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> "Confusion":
        """Counts: int [n] and int [n]."""
        pairs, counts = np.unique(labels.astype(np.int64) * num_classes + predicted, return_counts=True)
        return cls(np.stack([pairs // num_classes, pairs % num_classes, counts], axis=1), num_classes)

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, Any]) -> "Confusion | None":
        """What `recorded` has put into metrics.json; None where there is nothing of its classes."""
        count = len(metrics.get("class_names", ()))
        if metrics.get("confusion_cells") is not None:
            return cls(np.array(metrics["confusion_cells"], np.int64).reshape(-1, 3), count)
        matrix = np.array(metrics.get("confusion_matrix") or [], np.int64)
        if not count or matrix.shape != (count, count):
            return None
        true, predicted = np.nonzero(matrix)
        return cls(np.stack([true, predicted, matrix[true, predicted]], axis=1), count)

    def recorded(self) -> dict[str, Any]:
        """For metrics.json: the matrix, rows true classes; of more than 1,000 classes the cells that are not 0."""
        if self.num_classes > excerpt.MANY_CLASSES:
            return {"confusion_matrix": None, "confusion_cells": self.cells.tolist()}
        return {"confusion_matrix": self.among(np.arange(self.num_classes)).tolist()}

    @functools.cached_property
    def support(self) -> np.ndarray:
        """Images of each class, int64 [num_classes]."""
        return self._sums(self.cells[:, 0])

    @functools.cached_property
    def answers(self) -> np.ndarray:
        """How often each class is predicted, int64 [num_classes]."""
        return self._sums(self.cells[:, 1])

    @functools.cached_property
    def right(self) -> np.ndarray:
        """Images of each class that are predicted so, int64 [num_classes]."""
        own = self.cells[self.cells[:, 0] == self.cells[:, 1]]
        found = np.zeros(self.num_classes, np.int64)
        found[own[:, 0]] = own[:, 2]
        return found

    def _sums(self, places: np.ndarray) -> np.ndarray:
        sums = np.zeros(self.num_classes, np.int64)
        np.add.at(sums, places, self.cells[:, 2])
        return sums

    def among(self, classes: np.ndarray) -> np.ndarray:
        """The matrix of some classes, int [k]: int64 [k, k], rows true, columns predicted."""
        place = np.full(self.num_classes, -1)
        place[classes] = np.arange(len(classes))
        true, predicted, count = place[self.cells[:, 0]], place[self.cells[:, 1]], self.cells[:, 2]
        matrix, inside = np.zeros((len(classes),) * 2, np.int64), (true >= 0) & (predicted >= 0)
        matrix[true[inside], predicted[inside]] = count[inside]
        return matrix

    def most_confused(self, limit: int = excerpt.MOST_CLASSES) -> np.ndarray:
        """The classes that are in most of the mistakes, in the order of the classes: int64 [up to limit]."""
        mistakes = self.support + self.answers - 2 * self.right
        return np.sort(np.argsort(-mistakes, kind="stable")[:limit])

    def pairs(self, *, limit: int | None = None) -> list[tuple[int, int, int]]:
        """(true class, predicted class, number of images) of the most frequent mistakes, most frequent first."""
        wrong = self.cells[self.cells[:, 0] != self.cells[:, 1]]
        order = np.argsort(-wrong[:, 2], kind="stable")[:limit]
        return [(int(true), int(guess), int(count)) for true, guess, count in wrong[order]]
