"""Figures of data and results, drawn with matplotlib without a screen."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from trainers.evaluation import excerpt, scores, summary, tiles
from trainers.evaluation.calibration import reliability
from trainers.evaluation.confusion import Confusion
from trainers.evaluation.scores import Evaluation
from trainers.models.class_names import in_a_figure, in_a_line
from trainers.rundir.run_dir import write_atomically

# Blue for training and for what is as it was, orange for validation and for what a temperature makes of it, in every
# chart: distinct for colour-blind readers too.
BLUE, ORANGE = "#1f5fa8", "#d9731a"
_MOST_CURVES = 10
_DOTS_PER_INCH = 120


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, atomically; of a grid the file says which part of it is which image."""
    figure.set_dpi(_DOTS_PER_INCH)
    drawn = Image.fromarray(as_image(figure))  # savefig would draw it twice, to lay it out first
    about = figure.described(_DOTS_PER_INCH) if isinstance(figure, tiles.ImageGrid) else None
    options: dict[str, Any] = {"format": "png", "dpi": (_DOTS_PER_INCH,) * 2, "pnginfo": about}
    write_atomically(path, lambda temporary: drawn.save(temporary, **options))


def as_image(figure: Figure) -> np.ndarray:
    """The figure's pixels, uint8 [height, width, 3], for TensorBoard."""
    canvas = FigureCanvasAgg(figure)
    with _any_script():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@contextlib.contextmanager
def _any_script() -> Iterator[None]:
    """Class names may be in a script that matplotlib's own font lacks: it draws boxes then, without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def mistakes(
    images_at: Callable[[np.ndarray], np.ndarray],
    evaluation: Evaluation,
    class_names: Sequence[str],
    *,
    title: str,
) -> Figure:
    """A 3x3 grid of the most confident mistakes, each with its true and predicted class.

    Args:
      images_at: int [k] -> uint8 [k, height, width, 3].
      evaluation: of n images.
      class_names: of the classes.
      title: of the figure.
    """
    worst = worst_mistakes(evaluation)
    captions = mistake_captions(worst, evaluation, class_names)
    wrong = np.sum(evaluation.predicted != evaluation.labels)
    return tiles.image_grid(images_at(worst), captions, title=f"{title}: {wrong} of {len(evaluation.labels)} wrong")


def worst_mistakes(evaluation: Evaluation) -> np.ndarray:
    """The nine most confident mistakes, the most confident first: int64 [k], places in its labels."""
    wrong = np.flatnonzero(evaluation.predicted != evaluation.labels)
    return wrong[np.argsort(-evaluation.confidence[wrong], kind="stable")][:9]


def mistake_captions(places: np.ndarray, evaluation: Evaluation, class_names: Sequence[str]) -> list[str]:
    """What stands above an image that was mistaken."""
    return [
        f"true: {in_a_line(class_names[evaluation.labels[k]])}\n"
        f"predicted: {in_a_line(class_names[evaluation.predicted[k]])} {evaluation.confidence[k]:.1%}"
        for k in places
    ]


def confusion_matrix(confusion: Confusion, class_names: Sequence[str], *, title: str) -> Figure:
    """The matrix: in each cell the count and, as its colour too, the share of the true class.

    Of more than 30 classes those that are in most of the mistakes.
    """
    shown = np.arange(len(class_names))
    if len(class_names) > excerpt.MOST_CLASSES:
        shown = confusion.most_confused()
        title = f"{title}: the {len(shown)} most confused of {len(class_names):,} classes"
    counts = confusion.among(shown)
    share = counts / np.maximum(confusion.support[shown, None], 1)
    names = [excerpt.label(class_names[k]) for k in shown.tolist()]
    size = min(16.0, 2.5 + 0.9 * len(names))
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(drawn, ax=axes, label="share of the true class", shrink=0.8)
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}  # each ends at its column
    axes.set_xticks(range(len(names)), names, **(slanted if len(names) > 6 else {}))
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true", title=in_a_figure(title))
    is_small = len(names) <= 12
    for row, column in np.argwhere((counts > 0) | is_small):  # zeros would only clutter a large one
        color = "white" if share[row, column] > 0.6 else "black"
        cell = f"{counts[row, column]}\n{share[row, column]:.1%}"
        axes.text(column, row, cell, ha="center", va="center", color=color, fontsize=10 if is_small else 6)
    return figure


def curves(histories: Mapping[str, Sequence[Mapping[str, Any]]], *, monitor: str = "accuracy") -> Figure:
    """Loss and accuracy of training and validation over the epochs of all phases, the switches marked.

    What chooses the best epoch is drawn beside the accuracy. A phase's epoch 0, the model it starts from, stands at the
    end of the phase before.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = dict(zip(("loss", "accuracy"), figure.subplots(1, 2), strict=True))
    rows = [row for history in histories.values() for row in history]
    ends = np.cumsum([0, *(history[-1]["epoch"] for history in histories.values())])
    places = [end + row["epoch"] for end, history in zip(ends, histories.values(), strict=False) for row in history]
    drawn = {name: [(name, "-", "training (augmented)", BLUE)] for name in panels}
    for name in dict.fromkeys((*panels, monitor)):
        label = f"validation, {summary.in_words(name)}" if name == monitor and name not in panels else "validation"
        panel = name if name in panels else "accuracy"
        drawn[panel].append((f"validation_{name}", "-" if panel == name else "--", label, ORANGE))
    for panel, axes in panels.items():
        for column, line, label, color in drawn[panel]:
            values = [row.get(column) for row in rows]
            if any(value is not None for value in values):
                marked = [np.nan if value is None else value for value in values]
                axes.plot(places, marked, f"o{line}", color=color, label=label)
        axes.set(xlabel="epoch", title=panel, xlim=(min(places) - 0.5, ends[-1] + 0.5))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(alpha=0.25)
        for phase, end in zip(histories, ends, strict=False):
            if end:
                axes.axvline(end + 0.5, color="0.4", linestyle="--", linewidth=1)
            at = {"xycoords": ("data", "axes fraction"), "xytext": (2, -3), "textcoords": "offset points"}
            axes.annotate(phase, (end + 0.5, 1), va="top", fontsize=8, color="0.3", **at)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    return figure


def reliability_diagram(evaluation: Evaluation, calibrated: Evaluation | None, *, title: str) -> Figure:
    """Accuracy against confidence, bin by bin, as the model gives it and after its temperature."""
    figure = Figure(figsize=(5, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], "--", color="0.6", linewidth=1, label="perfectly calibrated")
    sides = [("model", evaluation, BLUE)]
    if calibrated is not None:
        sides.append(("with temperature", calibrated, ORANGE))
    for name, scored, color in sides:
        bins = reliability(scored)
        upper.plot(bins.confidence, bins.accuracy, "o-", color=color, label=name)
        edges = np.linspace(0, 1, 16)
        lower.hist(scored.confidence, bins=edges, histtype="step", color=color)
    upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02), title=in_a_figure(title))
    upper.legend(loc="upper left")
    upper.grid(alpha=0.25)
    lower.set(xlabel="probability of the predicted class", ylabel="images")
    return figure


def precision_recall(
    evaluation: Evaluation, class_names: tuple[str, ...], average: np.ndarray, *, title: str
) -> Figure:
    """A curve for each class against the rest; of more than ten classes, the ten with the lowest average precision.

    Args:
      evaluation: of n images.
      class_names: of the classes.
      average: from `scores.average_precision`.
      title: of the figure.
    """
    from sklearn import metrics

    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    known = np.flatnonzero(~np.isnan(average))
    shown = scores.lowest(average, _MOST_CURVES)
    for k, column in zip(shown, evaluation.by_class(shown.tolist()), strict=True):
        is_k = evaluation.shows(k)
        name = excerpt.label(class_names[k])  # not first in the label: a legend skips what begins with _
        precision, recall, _ = metrics.precision_recall_curve(is_k, column)
        axes.step(recall, precision, where="post", label=f"AP {average[k]:.3f}  {name}")
    if len(shown) < len(known):
        title = f"{title}: the {_MOST_CURVES} lowest of {len(known)} classes"
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02), title=in_a_figure(title))
    axes.legend(loc="lower left", fontsize=8)
    axes.grid(alpha=0.25)
    return figure
