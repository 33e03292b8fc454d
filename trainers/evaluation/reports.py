"""The files that say how good a model is on a set of images: table, report, figures, numbers."""

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from trainers.evaluation import excerpt, figures
from trainers.evaluation.classification_report import classification_report
from trainers.evaluation.ranking import highest
from trainers.evaluation.scores import Evaluation, per_class, wilson_interval
from trainers.models.class_names import as_columns
from trainers.rundir.run_dir import write_atomically, write_json

_MOST_PROBABLE = 5
_GUESSES = [f"{what}_{k}" for k in range(1, _MOST_PROBABLE + 1) for what in ("class", "probability")]

Row = Sequence[str]  # of predictions.csv


def scores(evaluation: Evaluation, class_names: Sequence[str]) -> dict[str, Any]:
    """What metrics.json says of the images evaluated."""
    right = int(np.sum(evaluation.predicted == evaluation.labels))
    top5 = evaluation.top5_accuracy
    return {
        "test_loss": evaluation.loss,
        "test_accuracy": evaluation.accuracy,
        "test_balanced_accuracy": evaluation.balanced_accuracy,
        "test_f1_macro": evaluation.f1_macro,
        "test_f1_weighted": evaluation.f1_weighted,
        **({} if top5 is None else {"test_top5_accuracy": top5}),
        "test_accuracy_interval": list(wilson_interval(right, len(evaluation.labels))),
        "class_names": list(class_names),
        **evaluation.confusion.recorded(),
        "per_class": per_class(evaluation, class_names),
    }


def drawings(
    evaluation: Evaluation,
    class_names: Sequence[str],
    images_at: Callable[[np.ndarray], np.ndarray],
    *,
    title: str,
) -> dict[str, Figure]:
    """The confusion matrix and the worst mistakes, by file name without its ending.

    Args:
      evaluation: of n images.
      class_names: of the classes.
      images_at: int [k] -> uint8 [k, height, width, 3].
      title: of each figure.
    """
    return {
        "confusion_matrix": figures.confusion_matrix(evaluation.confusion, class_names, title=title),
        "mistakes": figures.mistakes(images_at, evaluation, class_names, title=title),
    }


def write_report(
    folder: Path,
    evaluation: Evaluation,
    *,
    names: Sequence[str],
    metrics: Mapping[str, Any],
    drawn: Mapping[str, Figure],
) -> str:
    """Writes predictions.csv, report.txt, the figures and at last metrics.json; returns a report for a screen.

    Args:
      folder: where.
      evaluation: of n images.
      names: of the images' files.
      metrics: what metrics.json gets, `class_names` among them.
      drawn: figures by file name without its ending.
    """
    class_names = metrics["class_names"]
    write_files(
        folder,
        classification_report(evaluation, class_names),
        _rows(evaluation, names, class_names),
        metrics={**metrics, "loss": evaluation.loss, "accuracy": evaluation.accuracy},
        drawn=drawn,
    )
    return classification_report(evaluation, class_names, is_whole=False)


def write_files(
    folder: Path, text: str, rows: Iterable[Row], *, metrics: Mapping[str, Any], drawn: Mapping[str, Figure]
) -> None:
    """Writes report.txt, predictions.csv, the figures and at last metrics.json, whatever was evaluated."""
    write_atomically(folder / "report.txt", lambda temporary: temporary.write_text(text, encoding="utf-8"))
    write_rows(folder / "predictions.csv", rows, class_names=metrics["class_names"])
    for name, figure in drawn.items():
        figures.save(figure, folder / f"{name}.png")
    write_json(folder / "metrics.json", metrics)


def write_predictions(path: Path, evaluation: Evaluation, *, names: Sequence[str], class_names: Sequence[str]) -> None:
    """Writes a CSV of file, true class, predicted class and the probability of each class.

    The column of a class that is called as one of the first three is `class <name>`. Of more than 1,000 classes there
    are the five most probable with their probabilities instead.
    """
    write_rows(path, _rows(evaluation, names, class_names), class_names=class_names)


def write_rows(path: Path, rows: Iterable[Row], *, class_names: Sequence[str]) -> None:
    """Writes predictions.csv: the file, what is true, what is predicted, and `numbers`, as text all."""
    columns = ("file", "true", "predicted")

    def write(temporary: Path) -> None:
        # a file name that is no UTF-8 is written with the bytes it has
        with temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
            table = csv.writer(stream)
            further = _GUESSES if _are_many(class_names) else as_columns(class_names, taken=columns)
            table.writerow([*columns, *further])
            table.writerows(rows)

    write_atomically(path, write)


def numbers(probabilities: np.ndarray, class_names: Sequence[str], form: str) -> list[str]:
    """What a row of predictions.csv says of the probabilities of an image, float [num_classes]: all of them, or of many
    classes the five highest, each after its class."""
    if not _are_many(class_names):
        return [format(p, form) for p in probabilities]
    best = highest(probabilities, _MOST_PROBABLE).tolist()
    return [text for k in best for text in (class_names[k], format(probabilities[k], form))]


def _are_many(class_names: Sequence[str]) -> bool:
    return len(class_names) > excerpt.MANY_CLASSES


def _rows(evaluation: Evaluation, names: Sequence[str], class_names: Sequence[str]) -> Iterator[Row]:
    every = itertools.chain.from_iterable(evaluation.by_image())
    for name, label, guess, row in zip(names, evaluation.labels, evaluation.predicted, every, strict=True):
        yield [name, class_names[label], class_names[guess], *numbers(row, class_names, ".6f")]
