"""(model, pictures) -> probabilities -> metrics, confusion matrix and report."""

import csv
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainers.step import EvaluationStep
from trainers.workdir import write_atomically


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of a split: `probabilities` float64 [n, num_classes] and `labels` int32 [n], in its order."""

    probabilities: np.ndarray
    labels: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class, int64 [n]."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def loss(self) -> float:
        """Mean cross entropy in nats, without class weights or smoothing."""
        right = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.mean(np.log(np.maximum(right, 1e-30))))


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the chief of several workers, who has the scores, tells the others of them."""

    accuracy: float
    loss: float


def evaluate(step: EvaluationStep, batches: Iterable[Any], labels: np.ndarray) -> Evaluation:
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
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return Evaluation(exponentials / exponentials.sum(axis=1, keepdims=True), labels)


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


def report(evaluation: Evaluation, class_names: Sequence[str]) -> str:
    """scikit-learn's classification report and the confusion matrix, as text."""
    from sklearn import metrics

    text = metrics.classification_report(
        evaluation.labels,
        evaluation.predicted,
        labels=np.arange(len(class_names)),
        target_names=list(class_names),
        digits=3,
        zero_division=0.0,
    )
    width = max(7, *(len(name) for name in class_names)) + 2
    rows = [
        "confusion matrix (rows: true, columns: predicted)",
        " " * width + "".join(f"{n:>{width}}" for n in class_names),
    ]
    for name, counts in zip(class_names, confusion_matrix(evaluation), strict=True):
        rows.append(f"{name:>{width}}" + "".join(f"{count:>{width}}" for count in counts))
    return f"{text}\n" + "\n".join(rows) + "\n"


def write_predictions(path: Path, evaluation: Evaluation, *, names: Sequence[str], class_names: Sequence[str]) -> None:
    """Writes a CSV of file, true class, predicted class and the probability of each class."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["file", "true", "predicted", *class_names])
            rows = zip(names, evaluation.labels, evaluation.predicted, evaluation.probabilities, strict=True)
            for name, label, guess, row in rows:
                table.writerow([name, class_names[label], class_names[guess], *(f"{p:.6f}" for p in row)])

    write_atomically(path, write)
