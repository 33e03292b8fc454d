"""What trials say: the scores of the parts that were left out, which of them is best, and how optimistic that is."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Result:
    """A trial.

    Attributes:
      name: of it.
      scores: of each part (group, or fold where there are no groups) that was left out, by its name; higher is better.
      folds: how many were trained.
      metrics: JSON values: of what was chosen in it, such as `epoch`, and `validation_accuracy`.
      seconds: it took.
    """

    name: str
    scores: Mapping[str, float]
    folds: int
    metrics: Mapping[str, Any]
    seconds: float

    @property
    def mean(self) -> float:
        """Over the parts, which count equally."""
        return float(np.mean(list(self.scores.values())))


def ranked(results: Sequence[Result]) -> list[Result]:
    """The best first, by the mean over the parts that all of them have left out; the first of several alike."""
    shared = set.intersection(*(set(result.scores) for result in results)) if results else set()
    return sorted(results, key=lambda result: -round(float(np.mean([result.scores[part] for part in shared])), 12))


def optimism(results: Sequence[Result]) -> float | None:
    """By how much the best of the results is expected to look better than it is, because it was chosen as the best.

    Each part is left out of the choice too: what the others choose is judged by it. Its mean is what choosing among
    these gives; what the best one says beyond that is optimism.

    Args:
      results: all of the same parts.

    Returns:
      A difference of scores, at least 0; None for fewer than two results or three parts.
    """
    if len(results) < 2 or len(results[0].scores) < 3:
        return None
    parts = sorted(results[0].scores)
    table = np.array([[result.scores[part] for part in parts] for result in results])
    nested = []
    for place in range(len(parts)):
        others = np.delete(table, place, axis=1).mean(axis=1)
        nested.append(table[int(np.argmax(np.round(others, 12))), place])
    return max(0.0, float(table.mean(axis=1).max() - np.mean(nested)))
