"""How well each class is told from the rest, by the order of its probabilities."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from trainers.evaluation import excerpt

_FEW = 64  # images of a class that are looked for one by one


class Scored(Protocol):
    """What is asked of an evaluation (`scores.Evaluation`)."""

    @property
    def num_classes(self) -> int: ...  # noqa: D102
    def shows(self, k: int) -> np.ndarray: ...  # noqa: D102
    def by_class(self, classes: Sequence[int]) -> Iterator[np.ndarray]: ...  # noqa: D102


def average_precision(evaluation: Scored) -> np.ndarray:
    """Average precision of each class against the rest, float64 [num_classes]; NaN for a class without images."""
    columns = evaluation.by_class(range(evaluation.num_classes))
    of_class = _average_precision if evaluation.num_classes <= excerpt.MANY_CLASSES else _average_precision_of_few
    return np.array([of_class(evaluation.shows(k), column) for k, column in enumerate(columns)])


def _average_precision(is_class: np.ndarray, scores: np.ndarray) -> float:
    """As scikit-learn's, which takes six times as long, most of it to look at its arguments: 3 s for 1000 classes."""
    if not is_class.any():
        return np.nan
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # of equal scores
    found = np.cumsum(is_class[order])[last]
    return float(np.sum(np.diff(found, prepend=0) * found / (last + 1)) / found[-1])


def _average_precision_of_few(is_class: np.ndarray, scores: np.ndarray) -> float:
    """The same up to the rounding of the sum, by counting: many classes have few images each, and most have none."""
    own = np.sort(scores[is_class])[::-1]
    if not 0 < len(own) <= _FEW:
        return _average_precision(is_class, scores)
    last = np.append(np.flatnonzero(np.diff(own)), len(own) - 1)  # of equal scores
    before = (scores >= own[last, None]).sum(axis=1)
    return float(np.sum(np.diff(last + 1, prepend=0) * (last + 1) / before) / len(own))


def highest(probabilities: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` highest of float [num_classes], the highest first; of equal ones the first are."""
    kept = np.arange(len(probabilities))
    if len(probabilities) > count:
        kept = np.flatnonzero(probabilities >= np.partition(probabilities, -count)[-count])
    return kept[np.argsort(-probabilities[kept], kind="stable")[:count]]


def lowest(average: np.ndarray, limit: int) -> np.ndarray:
    """The classes with the lowest average precision, in their order: int64 [up to limit]; none without images."""
    known = np.flatnonzero(~np.isnan(average))
    return np.sort(known[np.argsort(average[known], kind="stable")][:limit])
