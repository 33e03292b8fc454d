"""Figures of probabilities against the truth: reliability, precision and recall."""

import numpy as np
from matplotlib.figure import Figure

from trainers.evaluation import excerpt
from trainers.evaluation.calibration import reliability
from trainers.evaluation.scores import Evaluation
from trainers.models.class_names import in_a_figure

_BEFORE, _AFTER = "#1f5fa8", "#d9731a"
_MOST_CURVES = 10


def reliability_diagram(evaluation: Evaluation, calibrated: Evaluation | None, *, title: str) -> Figure:
    """Accuracy against confidence, bin by bin, as the model gives it and after its temperature."""
    figure = Figure(figsize=(5, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], "--", color="0.6", linewidth=1, label="as sure as right")
    sides = [("model", evaluation, _BEFORE)]
    if calibrated is not None:
        sides.append(("with temperature", calibrated, _AFTER))
    for name, scored, color in sides:
        bins = reliability(scored)
        upper.plot(bins.confidence, bins.accuracy, "o-", color=color, label=name)
        edges = np.linspace(0, 1, 16)
        lower.hist(scored.probabilities.max(axis=1), bins=edges, histtype="step", color=color)
    upper.set(ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1.02), title=in_a_figure(title))
    upper.legend(loc="upper left")
    upper.grid(alpha=0.25)
    lower.set(xlabel="probability of the predicted class", ylabel="images")
    return figure


def average_precision(evaluation: Evaluation) -> np.ndarray:
    """Average precision of each class against the rest, float64 [num_classes]; NaN for a class without pictures."""
    return np.array([_average_precision(evaluation.labels == k, p) for k, p in enumerate(evaluation.probabilities.T)])


def _average_precision(is_class: np.ndarray, scores: np.ndarray) -> float:
    """As scikit-learn's, which takes six times as long, most of it to look at its arguments: 3 s for 1000 classes."""
    if not is_class.any():
        return np.nan
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # of equal scores
    found = np.cumsum(is_class[order])[last]
    return float(np.sum(np.diff(found, prepend=0) * found / (last + 1)) / found[-1])


def lowest(average: np.ndarray, limit: int) -> np.ndarray:
    """The classes with the lowest average precision, in their order: int64 [up to limit]; none without pictures."""
    known = np.flatnonzero(~np.isnan(average))
    return np.sort(known[np.argsort(average[known], kind="stable")][:limit])


def precision_recall(
    evaluation: Evaluation, class_names: tuple[str, ...], average: np.ndarray, *, title: str
) -> Figure:
    """A curve for each class against the rest; of more than ten classes, the ten with the lowest average precision.

    Args:
      evaluation: of n pictures.
      class_names: of the classes.
      average: from `average_precision`.
      title: of the figure.
    """
    from sklearn import metrics

    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    known = np.flatnonzero(~np.isnan(average))
    shown = lowest(average, _MOST_CURVES)
    for k in shown:
        is_k = evaluation.labels == k
        name = excerpt.label(class_names[k])  # not first in the label: a legend leaves out what begins with _
        precision, recall, _ = metrics.precision_recall_curve(is_k, evaluation.probabilities[:, k])
        axes.step(recall, precision, where="post", label=f"AP {average[k]:.3f}  {name}")
    if len(shown) < len(known):
        title = f"{title}: the {_MOST_CURVES} lowest of {len(known)} classes"
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02), title=in_a_figure(title))
    axes.legend(loc="lower left", fontsize=8)
    axes.grid(alpha=0.25)
    return figure
