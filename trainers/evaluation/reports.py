"""The files that say how good a model is on a set of pictures: table, report, figures, numbers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from trainers.evaluation import figures
from trainers.evaluation import scores as evaluate
from trainers.evaluation.scores import Evaluation
from trainers.rundir.run_dir import write_atomically, write_json


def scores(evaluation: Evaluation, class_names: Sequence[str]) -> dict[str, Any]:
    """What metrics.json says of the pictures evaluated."""
    right = int(np.sum(evaluation.predicted == evaluation.labels))
    return {
        "test_loss": evaluation.loss,
        "test_accuracy": evaluation.accuracy,
        "test_balanced_accuracy": evaluation.balanced_accuracy,
        "test_f1_macro": evaluation.f1_macro,
        "test_accuracy_interval": list(evaluate.wilson_interval(right, len(evaluation.labels))),
        "class_names": list(class_names),
        "confusion_matrix": evaluate.confusion_matrix(evaluation).tolist(),
        "per_class": evaluate.per_class(evaluation, class_names),
    }


def drawings(
    evaluation: Evaluation,
    class_names: Sequence[str],
    pictures_at: Callable[[np.ndarray], np.ndarray],
    *,
    title: str,
) -> dict[str, Figure]:
    """The confusion matrix and the worst mistakes, by file name without its ending.

    Args:
      evaluation: of n pictures.
      class_names: of the classes.
      pictures_at: int [k] -> uint8 [k, height, width, 3].
      title: of each figure.
    """
    counts = evaluate.confusion_matrix(evaluation)
    return {
        "confusion_matrix": figures.confusion_matrix(counts, class_names, title=title),
        "mistakes": figures.mistakes(
            pictures_at, evaluation.labels, evaluation.probabilities, class_names, title=title
        ),
    }


def write(
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
      evaluation: of n pictures.
      names: of the pictures' files.
      metrics: what metrics.json gets, `class_names` among them.
      drawn: figures by file name without its ending.
    """
    text = evaluate.report(evaluation, metrics["class_names"])
    write_atomically(folder / "report.txt", lambda temporary: temporary.write_text(text, encoding="utf-8"))
    evaluate.write_predictions(folder / "predictions.csv", evaluation, names=names, class_names=metrics["class_names"])
    for name, figure in drawn.items():
        figures.save(figure, folder / f"{name}.png")
    write_json(folder / "metrics.json", {**metrics, "loss": evaluation.loss, "accuracy": evaluation.accuracy})
    return evaluate.report(evaluation, metrics["class_names"], is_whole=False)
