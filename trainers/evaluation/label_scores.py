"""What a model says of images with several labels each, or none, and how good that is."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from trainers.evaluation import scores
from trainers.evaluation.scores import Evaluation

HALF = 0.5  # the threshold of a class for which none was chosen


@dataclasses.dataclass(frozen=True, eq=False)
class LabelEvaluation(Evaluation):
    """As `Evaluation`, of `labels` float32 [n, num_classes]; `thresholds`, float [num_classes], are the least
    probabilities of what is answered, 1/2 where none are given."""

    thresholds: np.ndarray | None = None

    @staticmethod
    def _as_probabilities(scores: np.ndarray) -> np.ndarray:
        """Of float64 [k, num_classes], the same shape."""
        return special.expit(scores)

    @functools.cached_property
    def log_likelihoods(self) -> np.ndarray:
        """The mean over the classes of the logarithm of the probability of an image's label, float64 [n]."""
        return np.mean(special.log_expit(np.where(self.truth, self.logits, -self.logits)), axis=1)

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """bool [n, num_classes]."""
        return self.labels > 0

    @functools.cached_property
    def predicted(self) -> np.ndarray:
        """What reaches its threshold, bool [n, num_classes]."""
        least = HALF if self.thresholds is None else np.asarray(self.thresholds, np.float32)
        return self.probabilities.astype(np.float32) >= least  # as a model gives them

    def shows(self, k: int) -> np.ndarray:
        """Whether each image shows class `k`: bool [n]."""
        return self.truth[:, k]

    def with_thresholds(self, thresholds: np.ndarray | None) -> "LabelEvaluation":
        """The same scores with other thresholds."""
        return dataclasses.replace(self, thresholds=thresholds)

    def with_temperature(self, temperature: float | np.ndarray) -> "LabelEvaluation":
        """The logits divided by `temperature`, of all classes or float [num_classes], and the thresholds moved along:
        the same answers, with another confidence."""
        least = np.full(self.logits.shape[1], HALF) if self.thresholds is None else self.thresholds
        moved = special.expit(special.logit(least.astype(np.float64)) / temperature)
        return dataclasses.replace(self, logits=self.logits / temperature, thresholds=moved)

    @property
    def accuracy(self) -> float:
        """Share of the images whose every label is right (scikit-learn's accuracy of several labels)."""
        return float(np.mean((self.predicted == self.truth).all(axis=1)))

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """True negatives, false positives, false negatives and true positives: int64 [num_classes, 4]."""
        pairs = [(~self.predicted, ~self.truth), (self.predicted, ~self.truth)]
        pairs += [(~self.predicted, self.truth), (self.predicted, self.truth)]
        return np.stack([(answer & truth).sum(axis=0) for answer, truth in pairs], axis=1)

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes that some images show and others do not of the mean share of either that is right."""
        tn, fp, fn, tp = self.counts.T
        judged = (tp + fn > 0) & (tn + fp > 0)
        if not judged.any():
            return 0.0
        recall, specificity = tp[judged] / (tp + fn)[judged], tn[judged] / (tn + fp)[judged]
        return float(np.mean((recall + specificity) / 2))

    @property
    def _f1(self) -> tuple[np.ndarray, np.ndarray]:
        _, fp, fn, tp = self.counts.T
        return 2 * tp / np.maximum(2 * tp + fp + fn, 1), tp + fn

    @property
    def f1_macro(self) -> float:
        """Mean F1 over the classes that images show; 0 where they show none."""
        f1, support = self._f1
        return float(np.mean(f1[support > 0])) if support.any() else 0.0

    @property
    def f1_weighted(self) -> float:
        """Mean F1 over the classes, each as often as images show it; 0 where they show none."""
        f1, support = self._f1
        return float(np.average(f1, weights=support)) if support.any() else 0.0

    @property
    def f1_micro(self) -> float:
        """F1 of all labels of all images together."""
        _, fp, fn, tp = self.counts.sum(axis=0)
        return float(2 * tp / max(2 * tp + fp + fn, 1))

    @property
    def map(self) -> float:
        """Mean over the classes that images show of the average precision; 0 where they show none."""
        average = scores.average_precision(self)
        known = average[~np.isnan(average)]
        return float(np.mean(known)) if known.size else 0.0

    @property
    def top5_accuracy(self) -> float | None:
        """Nothing: an image may have any number of labels."""
        return None


def per_class(evaluation: LabelEvaluation, class_names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Average precision, precision, recall, F1, support, threshold and the counts of each class, JSON values; None for
    what images that do not show it, or do not get it as an answer, cannot tell."""
    average, (f1, support) = scores.average_precision(evaluation), evaluation._f1
    least = evaluation.thresholds if evaluation.thresholds is not None else np.full(len(class_names), HALF)
    rows = {}
    for k, name in enumerate(class_names):
        tn, fp, fn, tp = (int(count) for count in evaluation.counts[k])
        rows[name] = {
            "average_precision": None if np.isnan(average[k]) else float(average[k]),
            "precision": tp / (tp + fp) if tp + fp else 0.0,
            "recall": tp / (tp + fn) if tp + fn else 0.0,
            "f1": float(f1[k]),
            "support": int(support[k]),
            "threshold": float(least[k]),
            **{"true_positives": tp, "false_positives": fp, "false_negatives": fn, "true_negatives": tn},
        }
    return rows
