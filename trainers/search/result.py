"""What trials say: the scores of the parts that were left out, which of them is best, and how optimistic that is."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Scores = Mapping[str, float]  # of each part that was left out, by its name; higher is better


@dataclasses.dataclass(frozen=True)
class Result:
    """A trial.

    Attributes:
      name: of it.
      scores: of each part (group, or fold where there are no groups) that was left out, of what was chosen in it.
      folds: how many were trained.
      metrics: JSON values: of what was chosen in it, such as `epoch`, and `validation_accuracy`.
      seconds: it took.
      candidates: what was chosen among in it (epochs, averages), by name: their scores.
    """

    name: str
    scores: Scores
    folds: int
    metrics: Mapping[str, Any]
    seconds: float
    candidates: Mapping[str, Scores] = dataclasses.field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Over the parts, which count equally."""
        return float(np.mean(list(self.scores.values())))

    @property
    def accuracy(self) -> float:
        """In the mean over the parts, whatever score chooses."""
        return self.metrics["validation_accuracy"]


def ranked(results: Sequence[Result]) -> list[Result]:
    """The best first, by the mean over the parts that all of them have left out; the first of several alike."""
    shared = _shared([result.scores for result in results])
    return sorted(results, key=lambda result: -round(float(np.mean([result.scores[part] for part in shared])), 12))


def optimism(results: Sequence[Result]) -> float | None:
    """By how much the best of the results looks better than it is, because it and its epoch were chosen as the best.

    Each part is left out of both choices too: the epoch of each result and the result are chosen by the others, and
    judged by it. The mean of that is what choosing among these gives; what the best one says beyond it is optimism.

    Args:
      results: those that were chosen among at the end; what was stopped before is not in it.

    Returns:
      A difference of scores, at least 0; None for fewer than two candidates or three parts.
    """
    candidates = [scores for result in results for scores in (result.candidates or {"": result.scores}).values()]
    parts = _shared(candidates)
    if len(candidates) < 2 or len(parts) < 3:
        return None
    table = np.array([[scores[part] for part in parts] for scores in candidates])
    nested = []
    for place in range(len(parts)):
        others = np.delete(table, place, axis=1).mean(axis=1)
        nested.append(table[int(np.argmax(np.round(others, 12))), place])
    return max(0.0, float(table.mean(axis=1).max() - np.mean(nested)))


def _shared(scores: Sequence[Scores]) -> list[str]:
    return sorted(set.intersection(*(set(each) for each in scores))) if scores else []
