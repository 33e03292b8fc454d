"""(model, pictures) -> probabilities -> metrics, confusion matrix and report."""

import csv
import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from trainers.evaluation import excerpt
from trainers.evaluation.step import EvaluationStep
from trainers.models.class_names import as_columns, in_a_line
from trainers.rundir.run_dir import write_atomically

_MOST_PAIRS = 5
_LOWEST_SHOWN = 10  # classes


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

    def with_temperature(self, temperature: float) -> "Evaluation":
        """The logits divided by `temperature`: the same answers, with another confidence."""
        return Evaluation(self.logits / temperature, self.labels)

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
        counts = confusion_matrix(self)
        support = counts.sum(axis=1)
        f1 = 2 * counts.diagonal() / np.maximum(support + counts.sum(axis=0), 1)
        return float(np.mean(f1[support > 0]))

    @property
    def summary(self) -> "Summary":
        """Its means."""
        return Summary(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Summary)})

    @property
    def loss(self) -> float:
        """Mean cross entropy in nats, without class weights or smoothing."""
        return float(-np.mean(self.log_likelihoods))


@dataclasses.dataclass(frozen=True)
class Summary:
    """Means over a split: what an epoch is judged by, and what a chief, who has the scores, tells other workers."""

    loss: float
    accuracy: float
    balanced_accuracy: float
    f1_macro: float


def in_words(score: str) -> str:
    """The name of a score of `Summary` for a line of output."""
    return score.replace("_", " ").replace("f1", "F1")


def evaluate_batches(step: EvaluationStep, batches: Iterable[Any], labels: np.ndarray) -> Evaluation:
    """Scores every picture of a split exactly once.

    Raises:
      RuntimeError: a picture was left out or counted twice.
    """
    return assemble((step(batch) for batch in batches), labels)


def assemble(parts: Iterable[tuple[np.ndarray, np.ndarray]], labels: np.ndarray) -> Evaluation:
    """The scores of a split out of (index, logits) of some of its pictures each, int32 [k], float32 [k, num_classes].

    Raises:
      RuntimeError: a picture was left out or counted twice.
    """
    scores: np.ndarray | None = None
    times = np.zeros(len(labels), int)
    for index, logits in parts:
        if scores is None:
            scores = np.zeros((len(labels), logits.shape[1]))
        scores[index] = logits
        np.add.at(times, index, 1)
    if scores is None or (times != 1).any():
        raise RuntimeError(f"{(times != 1).sum()} of {len(labels)} pictures were not evaluated exactly once")
    return Evaluation(scores, labels)


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
    z = 1.959964  # of the normal distribution, two-sided 95 %
    share, scale = right / count, 1 + z**2 / count
    middle = (share + z**2 / (2 * count)) / scale
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / scale
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def most_confused(evaluation: Evaluation, *, limit: int | None = None) -> list[tuple[int, int, int]]:
    """(true class, predicted class, number of pictures) of the most frequent mistakes, most frequent first."""
    counts = confusion_matrix(evaluation)
    np.fill_diagonal(counts, 0)
    rows, columns = np.nonzero(counts)
    order = np.argsort(-counts[rows, columns], kind="stable")[:limit]
    return [(int(rows[k]), int(columns[k]), int(counts[rows[k], columns[k]])) for k in order]


def report(evaluation: Evaluation, class_names: Sequence[str], *, is_whole: bool = True) -> str:
    """scikit-learn's classification report, the interval of the accuracy, the confusion matrix and the most
    confused pairs, as text.

    Args:
      evaluation: of n pictures.
      class_names: of the classes. Of more than 30 there is a list of all confused pairs in place of the matrix.
      is_whole: whether all classes are in the report; else, of more than 30, those with the lowest F1 score.
    """
    from sklearn import metrics

    class_names = [in_a_line(name) for name in class_names]
    judged = np.unique(evaluation.labels)  # a class without images would count as 0 in the means
    text = metrics.classification_report(
        evaluation.labels,
        evaluation.predicted,
        labels=judged,
        target_names=[class_names[label] for label in judged],
        digits=3,
        zero_division=0.0,
    )
    if len(class_names) > excerpt.MOST_CLASSES:
        return _long_report(evaluation, class_names, text, is_whole=is_whole)
    width = max(7, *(len(name) for name in class_names)) + 2
    rows = [
        "confusion matrix (rows: true, columns: predicted)",
        " " * width + "".join(f"{n:>{width}}" for n in class_names),
    ]
    for name, counts in zip(class_names, confusion_matrix(evaluation), strict=True):
        rows.append(f"{name:>{width}}" + "".join(f"{count:>{width}}" for count in counts))
    pairs = _pairs(evaluation, class_names, limit=_MOST_PAIRS)
    rows += ["", "most confused", *pairs] if pairs else []
    return f"{text}\n{_interval(evaluation)}\n\n" + "\n".join(rows) + "\n"


def _long_report(evaluation: Evaluation, class_names: Sequence[str], text: str, *, is_whole: bool) -> str:
    """The report of many classes, out of scikit-learn's text, which has a line for each after two of head."""
    lines, count = text.split("\n"), len(class_names)
    row_of = {int(k): 2 + row for row, k in enumerate(np.unique(evaluation.labels))}
    if is_whole:
        pairs = ["all confused pairs (metrics.json has the matrix)", *_pairs(evaluation, class_names, limit=None)]
    else:
        scores = per_class(evaluation, class_names)
        lowest = sorted(row_of, key=lambda k: scores[class_names[k]]["f1"])[:_LOWEST_SHOWN]
        note = f"the {len(lowest)} of {count:,} classes with the lowest F1 score; report.txt has all"
        lines = [*lines[:2], *(lines[row_of[k]] for k in sorted(lowest)), "", note, *lines[2 + len(row_of) :]]
        pairs = ["most confused", *_pairs(evaluation, class_names, limit=_MOST_PAIRS)]
    return "\n".join([*lines, _interval(evaluation), "", *(pairs if len(pairs) > 1 else []), ""])


def _pairs(evaluation: Evaluation, class_names: Sequence[str], *, limit: int | None) -> list[str]:
    found = most_confused(evaluation, limit=limit)
    return [f"  {class_names[true]} taken for {class_names[guess]}: {count}" for true, guess, count in found]


def _interval(evaluation: Evaluation) -> str:
    low, high = wilson_interval(int(np.sum(evaluation.predicted == evaluation.labels)), len(evaluation.labels))
    return f"accuracy {evaluation.accuracy:.2%}, 95 % interval {low:.2%} to {high:.2%} (Wilson)"


def write_predictions(path: Path, evaluation: Evaluation, *, names: Sequence[str], class_names: Sequence[str]) -> None:
    """Writes a CSV of file, true class, predicted class and the probability of each class.

    The column of a class that is called as one of the first three is `class <name>`.
    """
    columns = ("file", "true", "predicted")

    def write(temporary: Path) -> None:
        # a file name that is no UTF-8 is written with the bytes it has
        with temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
            table = csv.writer(stream)
            table.writerow([*columns, *as_columns(class_names, taken=columns)])
            rows = zip(names, evaluation.labels, evaluation.predicted, evaluation.probabilities, strict=True)
            for name, label, guess, row in rows:
                table.writerow([name, class_names[label], class_names[guess], *(f"{p:.6f}" for p in row)])

    write_atomically(path, write)
