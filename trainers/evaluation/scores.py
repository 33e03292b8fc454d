"""(model, images) -> logits -> probabilities -> metrics."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import special

from ftdata.labels import is_multi
from ftdata.pipeline import Batch
from trainers.evaluation import excerpt
from trainers.evaluation.confusion import Confusion
from trainers.evaluation.ranking import average_precision as average_precision
from trainers.evaluation.ranking import lowest as lowest
from trainers.evaluation.step import EvaluationStep
from trainers.evaluation.summary import Summary, summary_kind

_CELLS, _COLUMNS = 2**22, 64  # logits that are looked at together, and columns of them
_CLASSES_FOR_TOP5 = 10  # of fewer, five guesses are more than half


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model says of a split: `logits` float64 [n, num_classes] and `labels` int32 [n], in its order.

    Logits are the scores before the softmax: they tell apart what is 0 or 1 as a probability. Everything else is
    computed from them once, here. Of many classes they may be float32, as the network gave them, to be divided by
    `temperature`: the numbers are the same, and what is computed of them is computed of some images at a time, so that
    no second matrix of all images and classes is there; only `probabilities` is one.
    """

    logits: np.ndarray
    labels: np.ndarray
    temperature: float = 1.0

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return self.logits.shape[1]

    def _scores(self, rows: Any) -> np.ndarray:
        """The logits of some images, float64 [k, num_classes]."""
        return self.logits[rows].astype(np.float64) / self.temperature

    def _blocks(self) -> Iterator[np.ndarray]:
        """The logits of a few images after the other, float64 [k, num_classes]."""
        rows = max(1, _CELLS // self.num_classes)
        return (self._scores(slice(start, start + rows)) for start in range(0, len(self.logits), rows))

    @functools.cached_property
    def probabilities(self) -> np.ndarray:
        """float64 [n, num_classes]."""
        return self._as_probabilities(self._scores(slice(None)))

    @staticmethod
    def _as_probabilities(scores: np.ndarray) -> np.ndarray:
        """Of float64 [k, num_classes], the same shape."""
        return special.softmax(scores, axis=1)

    def probabilities_of(self, rows: np.ndarray) -> np.ndarray:
        """Those of some images, int [k]: float64 [k, num_classes]."""
        return self._as_probabilities(self._scores(rows))

    def by_image(self) -> Iterator[np.ndarray]:
        """The probabilities of a few images after the other, float64 [k, num_classes]."""
        return (self._as_probabilities(block) for block in self._blocks())

    def by_class(self, classes: Sequence[int]) -> Iterator[np.ndarray]:
        """The probabilities of one class after the other, float64 [n]."""
        if self.logits.dtype == np.float64:  # of which there is room for a second matrix
            yield from (self.probabilities[:, k] for k in classes)
            return
        highest, total = self._normalizers
        for start in range(0, len(classes), _COLUMNS):  # read a few together: they lie side by side
            scores = self._scores((slice(None), classes[start : start + _COLUMNS])).T
            yield from np.exp(np.ascontiguousarray(scores) - highest) / total

    @functools.cached_property
    def _normalizers(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the softmax of each image the highest logit and the sum of the powers, float64 [n] each."""
        found = [(high := block.max(axis=1), np.exp(block - high[:, None]).sum(axis=1)) for block in self._blocks()]
        highest, total = zip(*found, strict=True)
        return np.concatenate(highest), np.concatenate(total)

    @functools.cached_property
    def log_likelihoods(self) -> np.ndarray:
        """The logarithm of the probability of each image's label, float64 [n]."""
        found, own = list[np.ndarray](), iter(self.labels.tolist())
        for block in self._blocks():
            labels = list(itertools.islice(own, len(block)))
            found.append(special.log_softmax(block, axis=1)[np.arange(len(block)), labels])
        return np.concatenate(found)

    @functools.cached_property
    def _answers(self) -> tuple[np.ndarray, np.ndarray]:
        """The most probable class of each image and its probability, int64 [n] and float64 [n]."""
        found = [(block.argmax(axis=1), block.max(axis=1)) for block in self.by_image()]
        predicted, confidence = zip(*found, strict=True)
        return np.concatenate(predicted), np.concatenate(confidence)

    @functools.cached_property
    def predicted(self) -> np.ndarray:
        """The most probable class, int64 [n]."""
        return self._answers[0]

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the most probable class, float64 [n]."""
        return self._answers[1]

    @functools.cached_property
    def confusion(self) -> Confusion:
        """How often each class is taken for each other."""
        return Confusion.of(self.labels, self.predicted, self.num_classes)

    def shows(self, k: int) -> np.ndarray:
        """Whether each image is of class `k`: bool [n]."""
        return self.labels == k

    def with_temperature(self, temperature: float | np.ndarray) -> "Evaluation":
        """The logits divided by `temperature`: the same answers, with another confidence."""
        if self.logits.dtype == np.float64:
            return dataclasses.replace(self, logits=self.logits / temperature)
        return dataclasses.replace(self, temperature=self.temperature * float(temperature))

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes that have images of the share of them that is right."""
        right, support = self.confusion.right, self.confusion.support
        return float(np.mean(right[support > 0] / support[support > 0]))

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
        counts = self.confusion
        return 2 * counts.right / np.maximum(counts.support + counts.answers, 1), counts.support

    def top_accuracy(self, count: int) -> float:
        """Share of the images whose class is among the `count` most probable; of equal classes the first are."""
        better, own_labels = list[np.ndarray](), iter(self.labels.tolist())
        for block in self._blocks():
            labels = np.array(list(itertools.islice(own_labels, len(block))), np.intp)[:, None]
            own, before = np.take_along_axis(block, labels, axis=1), np.arange(self.num_classes) < labels
            better.append(((block > own) | ((block == own) & before)).sum(axis=1))
        return float(np.mean(np.concatenate(better) < count))

    @property
    def top5_accuracy(self) -> float | None:
        """`top_accuracy` of five guesses; None of fewer than ten classes."""
        return self.top_accuracy(5) if self.num_classes >= _CLASSES_FOR_TOP5 else None

    @property
    def summary(self) -> Summary:
        """Its means."""
        kind = summary_kind(self.labels)
        return kind(**{field.name: getattr(self, field.name) for field in dataclasses.fields(kind)})

    @property
    def loss(self) -> float:
        """Mean cross entropy in nats, without class weights or smoothing."""
        return float(-np.mean(self.log_likelihoods))


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
            is_kept = logits.shape[1] > excerpt.MANY_CLASSES and logits.dtype == np.float32 and not is_multi(labels)
            scores = np.zeros((len(labels), logits.shape[1]), np.float32 if is_kept else np.float64)
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
