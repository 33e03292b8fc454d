"""(model, images) -> logits -> probabilities -> metrics."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import special

from ftdata.labels import is_multi
from ftdata.pipeline import Batch
from trainers.evaluation.step import EvaluationStep

_CLASSES_FOR_TOP5 = 10  # of fewer, five guesses are more than half


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model says of a split: `logits` float64 [n, num_classes] and `labels` int32 [n], in its order.

    Logits are the scores before the softmax: they tell apart what is 0 or 1 as a probability. Everything else is
    computed from them once, here.
    """

    logits: np.ndarray
    labels: np.ndarray

    @functools.cached_property
    def probabilities(self) -> np.ndarray:
        """float64 [n, num_classes]."""
        return special.softmax(self.logits, axis=1)

    @functools.cached_property
    def log_likelihoods(self) -> np.ndarray:
        """The logarithm of the probability of each image's label, float64 [n]."""
        return special.log_softmax(self.logits, axis=1)[np.arange(len(self.labels)), self.labels]

    @functools.cached_property
    def predicted(self) -> np.ndarray:
        """The most probable class, int64 [n]."""
        return self.probabilities.argmax(axis=1)

    def shows(self, k: int) -> np.ndarray:
        """Whether each image is of class `k`: bool [n]."""
        return self.labels == k

    def with_temperature(self, temperature: float | np.ndarray) -> "Evaluation":
        """The logits divided by `temperature`: the same answers, with another confidence."""
        return dataclasses.replace(self, logits=self.logits / temperature)  # of its own kind

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes that have images of the share of them that is right."""
        counts = confusion_matrix(self)
        support = counts.sum(axis=1)
        return float(np.mean(counts.diagonal()[support > 0] / support[support > 0]))

    @property
    def f1_macro(self) -> float:
        """Mean F1 over the classes that have images: one that has none is not judged, however often it is predicted."""
        f1, support = self._f1
        return float(np.mean(f1[support > 0]))

    @property
    def f1_weighted(self) -> float:
        """Mean F1 over the classes, each as often as it has images."""
        f1, support = self._f1
        return float(np.average(f1, weights=support))

    @property
    def _f1(self) -> tuple[np.ndarray, np.ndarray]:
        """F1 and the number of images of each class."""
        counts = confusion_matrix(self)
        support = counts.sum(axis=1)
        return 2 * counts.diagonal() / np.maximum(support + counts.sum(axis=0), 1), support

    def top_accuracy(self, count: int) -> float:
        """Share of the images whose class is among the `count` most probable; of equal classes the first are."""
        own = np.take_along_axis(self.logits, self.labels[:, None].astype(np.intp), axis=1)
        before = np.arange(self.logits.shape[1]) < self.labels[:, None]
        better = (self.logits > own) | ((self.logits == own) & before)
        return float(np.mean(better.sum(axis=1) < count))

    @property
    def top5_accuracy(self) -> float | None:
        """`top_accuracy` of five guesses; None of fewer than ten classes."""
        return self.top_accuracy(5) if self.logits.shape[1] >= _CLASSES_FOR_TOP5 else None

    @property
    def summary(self) -> "Summary":
        """Its means."""
        kind = summary_kind(self.labels)
        return kind(**{field.name: getattr(self, field.name) for field in dataclasses.fields(kind)})

    @property
    def loss(self) -> float:
        """Mean cross entropy in nats, without class weights or smoothing."""
        return float(-np.mean(self.log_likelihoods))


@dataclasses.dataclass(frozen=True)
class Summary:
    """Means over a split: what an epoch is judged by, and what rank 0, which has the scores, sends to the others."""

    loss: float
    accuracy: float
    balanced_accuracy: float
    f1_macro: float


@dataclasses.dataclass(frozen=True)
class LabelSummary(Summary):
    """Of images with several labels: accuracy is the share of those whose every label is right."""

    f1_micro: float
    map: float


def summary_kind(labels: np.ndarray) -> type[Summary]:
    """The means that are taken over a split with such labels."""
    return LabelSummary if is_multi(labels) else Summary


def in_words(score: str) -> str:
    """The name of a score of `Summary` for a line of output."""
    return {"map": "mAP"}.get(score, score.replace("_", " ").replace("f1", "F1"))


def evaluate_batches(step: EvaluationStep, batches: Iterable[Batch], labels: np.ndarray) -> Evaluation:
    """Scores every image of a split exactly once.

    Raises:
      RuntimeError: an image was skipped or counted twice.
    """
    return assemble((step(batch) for batch in batches), labels)


def assemble(parts: Iterable[tuple[np.ndarray, np.ndarray]], labels: np.ndarray) -> Evaluation:
    """The scores of a split out of (index, logits) of some of its images each, int32 [k], float32 [k, num_classes].

    Raises:
      RuntimeError: an image was skipped or counted twice.
    """
    scores: np.ndarray | None = None
    times = np.zeros(len(labels), int)
    for index, logits in parts:
        if scores is None:
            scores = np.zeros((len(labels), logits.shape[1]))
        scores[index] = logits
        np.add.at(times, index, 1)
    if scores is None or (times != 1).any():
        raise RuntimeError(f"{(times != 1).sum()} of {len(labels)} images were not evaluated exactly once")
    return scored(scores, labels)


def scored(logits: np.ndarray, labels: np.ndarray) -> Evaluation:
    """An `Evaluation`, or of several labels an image a `LabelEvaluation`."""
    if is_multi(labels):
        from trainers.evaluation.label_scores import LabelEvaluation  # only here: it stands on this module

        return LabelEvaluation(logits, labels)
    return Evaluation(logits, labels)


def confusion_matrix(evaluation: Evaluation) -> np.ndarray:
    """Counts, int64 [num_classes, num_classes]: rows are true classes, columns predicted ones."""
    from sklearn import metrics

    every_class = np.arange(evaluation.probabilities.shape[1])
    return metrics.confusion_matrix(evaluation.labels, evaluation.predicted, labels=every_class)


def per_class(evaluation: Evaluation, class_names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each class."""
    from sklearn import metrics

    columns = metrics.precision_recall_fscore_support(
        evaluation.labels, evaluation.predicted, labels=np.arange(len(class_names)), zero_division=0.0
    )
    names = ("precision", "recall", "f1", "support")
    return {
        class_name: {key: float(column[k]) for key, column in zip(names, columns, strict=True)}
        for k, class_name in enumerate(class_names)
    }


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share of `right` out of `count` (Wilson, 1927)."""
    from scipy import stats

    interval = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def confused_pairs(evaluation: Evaluation, *, limit: int | None = None) -> list[tuple[int, int, int]]:
    """(true class, predicted class, number of images) of the most frequent mistakes, most frequent first."""
    counts = confusion_matrix(evaluation)
    np.fill_diagonal(counts, 0)
    rows, columns = np.nonzero(counts)
    order = np.argsort(-counts[rows, columns], kind="stable")[:limit]
    return [(int(rows[k]), int(columns[k]), int(counts[rows[k], columns[k]])) for k in order]


def average_precision(evaluation: Evaluation) -> np.ndarray:
    """Average precision of each class against the rest, float64 [num_classes]; NaN for a class without images."""
    return np.array([_average_precision(evaluation.shows(k), p) for k, p in enumerate(evaluation.probabilities.T)])


def _average_precision(is_class: np.ndarray, scores: np.ndarray) -> float:
    """As scikit-learn's, which takes six times as long, most of it to look at its arguments: 3 s for 1000 classes."""
    if not is_class.any():
        return np.nan
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # of equal scores
    found = np.cumsum(is_class[order])[last]
    return float(np.sum(np.diff(found, prepend=0) * found / (last + 1)) / found[-1])


def lowest(average: np.ndarray, limit: int) -> np.ndarray:
    """The classes with the lowest average precision, in their order: int64 [up to limit]; none without images."""
    known = np.flatnonzero(~np.isnan(average))
    return np.sort(known[np.argsort(average[known], kind="stable")][:limit])
