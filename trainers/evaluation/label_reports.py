"""The files that say how good a model of several labels is: the counterparts of `reports`, function by function."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ftdata.labels import NOTHING
from ftdata.names import counted
from trainers.evaluation import excerpt, figures, reports
from trainers.evaluation.label_scores import LabelEvaluation, per_class
from trainers.evaluation.label_thresholds import as_text
from trainers.evaluation.scores import average_precision, wilson_interval
from trainers.models.class_names import in_a_line

SEPARATOR = ";"  # of names in predictions.csv


def scores(evaluation: LabelEvaluation, class_names: Sequence[str]) -> dict[str, Any]:
    """What metrics.json says of the images evaluated."""
    right = round(evaluation.accuracy * len(evaluation.labels))
    return {
        "task": "multi",
        "test_loss": evaluation.loss,
        "test_map": evaluation.map,
        "test_f1_macro": evaluation.f1_macro,
        "test_f1_micro": evaluation.f1_micro,
        "test_f1_weighted": evaluation.f1_weighted,
        "test_accuracy": evaluation.accuracy,
        "test_balanced_accuracy": evaluation.balanced_accuracy,
        "test_accuracy_interval": list(wilson_interval(right, len(evaluation.labels))),
        "test_images": len(evaluation.labels),
        "class_names": list(class_names),
        "per_class": per_class(evaluation, class_names),
    }


def drawings(
    evaluation: LabelEvaluation,
    class_names: Sequence[str],
    images_at: Callable[[np.ndarray], np.ndarray],
    *,
    title: str,
) -> dict[str, Figure]:
    """The precision-recall curves, by file name without its ending."""
    average = average_precision(evaluation)
    return {"precision_recall": figures.precision_recall(evaluation, tuple(class_names), average, title=title)}


def write_report(
    folder: Path,
    evaluation: LabelEvaluation,
    *,
    names: Sequence[str],
    metrics: Mapping[str, Any],
    drawn: Mapping[str, Figure],
) -> str:
    """Writes predictions.csv, report.txt, the figures and at last metrics.json; returns a report for a screen.

    What an earlier model of one class an image has left there is removed.
    """
    class_names = metrics["class_names"]
    reports.write_files(
        folder,
        report(evaluation, class_names),
        _rows(evaluation, names, class_names),
        metrics={**metrics, "loss": evaluation.loss, "accuracy": evaluation.accuracy},
        drawn=drawn,
    )
    return report(evaluation, class_names, limit=excerpt.MOST_CLASSES)


def report(evaluation: LabelEvaluation, class_names: Sequence[str], *, limit: int | None = None) -> str:
    """A line for each class, and the means, as text; of more classes than `limit` those with the lowest average
    precision."""
    found = per_class(evaluation, class_names)
    width = max(len("class"), *(len(in_a_line(name)) for name in class_names))
    head = ("AP", "precision", "recall", "F1", "threshold", "true +", "false +", "false -", "true -")
    lines = [f"{'class':<{width}}" + "".join(f"{title:>11}" for title in head)]
    shown = list(found)
    if limit is not None and len(shown) > limit:
        shown = sorted(shown, key=lambda name: found[name]["average_precision"] or 0.0)[:limit]
        lines.insert(0, f"the {limit} of {len(found):,} classes with the lowest average precision; report.txt has all")
    for name in shown:
        row = found[name]
        average = "-" if row["average_precision"] is None else f"{row['average_precision']:.3f}"
        shares = (average, *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")), as_text(row["threshold"]))
        kinds = ("true_positives", "false_positives", "false_negatives", "true_negatives")
        cells = (*shares, *(f"{row[key]:,}" for key in kinds))
        lines.append(f"{in_a_line(name):<{width}}" + "".join(f"{cell:>11}" for cell in cells))
    means = f"mAP {evaluation.map:.4f}, macro F1 {evaluation.f1_macro:.4f}, micro F1 {evaluation.f1_micro:.4f}"
    exact = f"every label right in {evaluation.accuracy:.2%} of {counted(len(evaluation.labels), 'image')}"
    return "\n".join([*lines, "", f"{means}; {exact}", ""])


def write_predictions(
    path: Path, evaluation: LabelEvaluation, *, names: Sequence[str], class_names: Sequence[str]
) -> None:
    """Writes a CSV of file, true labels, those over their thresholds, and the probability of each class.

    Labels are separated by semicolons; the column of a class that is called as one of the first three is
    `class <name>`.
    """
    reports.write_rows(path, _rows(evaluation, names, class_names), class_names=class_names)


def _rows(evaluation: LabelEvaluation, names: Sequence[str], class_names: Sequence[str]) -> Iterator[reports.Row]:
    for name, truth, guess, row in zip(
        names, evaluation.truth, evaluation.predicted, evaluation.probabilities, strict=True
    ):
        labels = (SEPARATOR.join(class_names[k] for k in np.flatnonzero(shown).tolist()) for shown in (truth, guess))
        yield [name, *labels, *reports.numbers(row, class_names, ".9g")]  # sigmoids that near 1 are not all 1


def in_words(class_names: Sequence[str]) -> str:
    """Labels for a line of output."""
    return ", ".join(map(in_a_line, class_names)) or NOTHING
