"""What more images would bring: heads that learn from a part of them, judged by what is left out, and a forecast.

The error is taken to fall as a power of what is learned from, of images or of groups: error = a * n ** -b (Hestness et
al.: Deep Learning Scaling is Predictable, Empirically, 2017, arXiv:1712.00409). How far that depends on the groups that
judge is told by drawing them again and again (bootstrap); which images or groups come next is not in that
(docs/new_groups.md has how far forecasts were off).
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ftdata import seeds
from ftdata.names import counted
from trainers.evaluation.figures import BLUE, ORANGE
from trainers.evaluation.scores import Evaluation
from trainers.folds.division import Fold
from trainers.folds.groups import Groups

Judge = Callable[[Callable[[Fold], np.ndarray]], Evaluation]
_SHARES = (0.25, 0.5, 0.75, 1.0)  # of the images
_POINTS, _DRAWS = 4, 3  # numbers of groups, and how often some of them are drawn
_MORE_IMAGES, _MORE_GROUPS = 0.1, 2
_RESAMPLED = 2_000
FEWEST_IMAGES = 40  # of a class: a quarter of fewer is no class to learn


@dataclasses.dataclass(frozen=True, eq=False)
class LearningCurve:
    """Accuracy by how much a head learns from.

    Attributes:
      unit: of what, `image` or `group`.
      counts: of it, rising, float64 [points].
      accuracy: float64 [points, judges]: on each group that is left out, or on each fold where there are no groups.
    """

    unit: str
    counts: np.ndarray
    accuracy: np.ndarray

    def gain(self, more: float) -> tuple[float, float]:
        """How much accuracy `more` of the unit should add to that of all there is, and the standard error of that."""
        judges = self.accuracy.shape[1]
        drawn = seeds.generator(0, "learning_curve").integers(0, judges, (_RESAMPLED, judges))
        gains = _gain(self.counts, self.accuracy[:, drawn].mean(axis=2), more)
        return float(_gain(self.counts, self.accuracy.mean(axis=1)[:, None], more)[0]), float(np.std(gains, ddof=1))

    @property
    def more(self) -> int:
        """How much more is forecast: a tenth of the images there are, two groups."""
        return _MORE_GROUPS if self.unit == "group" else max(1, _two_digits(_MORE_IMAGES * self.counts[-1]))

    def metrics(self) -> dict[str, Any]:
        """JSON values: shares from 0 to 1."""
        gain, error = self.gain(self.more)
        return {
            "counts": self.counts.tolist(),
            "accuracy": self.accuracy.mean(axis=1).tolist(),
            "more": self.more,
            "gain": gain,
            "gain_standard_error": error,
        }

    def in_words(self, *, has_groups: bool) -> str:
        """`350 more images of these groups: +0.4 points (+- 0.2 by which groups judge)`."""
        gain, error = self.gain(self.more)
        of = " of these groups" if self.unit == "image" and has_groups else ""
        judges = f"by which {'groups' if has_groups else 'folds'} judge"
        return (
            f"{counted(self.more, f'more {self.unit}')}{of}: {100 * gain:+.1f} points (+- {100 * error:.1f} {judges})"
        )


def curves(
    judge: Judge, known: Evaluation, folds: Sequence[Fold], groups: Groups | None, *, seed: int
) -> Iterator[LearningCurve]:
    """That of the images and, of four groups or more, that of the groups.

    Args:
      judge: fits a head for each fold to the images for which its argument, of the fold, is True, bool [n], and judges
        every image by the head that its fold was left out of.
      known: every image judged by a head of all images that its fold does not leave out.
      folds: that leave out each image once.
      groups: of the images.
      seed: of what is drawn.
    """
    labels = known.labels
    order = np.argsort(seeds.generator(seed, "learning_curve").permutation(len(labels)))

    def accuracy(judged: Evaluation) -> np.ndarray:
        right = judged.predicted == judged.labels
        if groups is None:
            return np.array([right[fold.left_out].mean() for fold in folds])
        return np.bincount(groups.of_image, right) / groups.sizes

    def some_images(share: float) -> Callable[[Fold], np.ndarray]:
        return lambda fold: _first_of_each(labels, ~fold.left_out, order, share)

    points = [(np.mean([some_images(share)(fold).sum() for fold in folds]), share) for share in _SHARES]
    accuracies = np.stack([accuracy(known if share == 1 else judge(some_images(share))) for _, share in points])
    yield LearningCurve("image", np.array([count for count, _ in points]), accuracies)
    classes = np.unique(labels)
    if groups is None or len(folds) < max(_POINTS, len(groups.names)):
        return
    if any(len(np.unique(labels[groups.of_image == place])) < len(classes) for place in range(len(groups.names))):
        return  # some of the groups would not do to learn every class
    counts = np.unique(np.linspace(2, len(folds) - 1, _POINTS).round().astype(int))
    found = [accuracies[-1]]
    generators = [seeds.generator(seed, "learning_curve", draw) for draw in range(_DRAWS)]
    orders = [generator.permutation(len(groups.names)) for generator in generators]
    for count in counts[-2::-1]:
        drawn = [accuracy(judge(functools.partial(_some_groups, groups, order, count))) for order in orders]
        found.insert(0, np.mean(drawn, axis=0))
    yield LearningCurve("group", counts.astype(float), np.stack(found))


def picture(found: Sequence[LearningCurve]) -> Figure:
    """Accuracy by what is learned from, a panel for each curve; thin lines are the groups or folds that judge."""
    figure = Figure(figsize=(5 * len(found), 4), layout="constrained")
    for axes, curve in zip(figure.subplots(1, len(found), squeeze=False)[0], found, strict=True):
        axes.plot(curve.counts, curve.accuracy, color="0.8", linewidth=1)
        axes.plot(curve.counts, curve.accuracy.mean(axis=1), "o-", color=BLUE)
        gain, error = curve.gain(curve.more)
        place, expected = curve.counts[-1] + curve.more, curve.accuracy[-1].mean() + gain
        axes.errorbar([place], [expected], [error], fmt="o", color=ORANGE, capsize=4, label=f"{curve.more:,} more")
        axes.set(xlabel=f"{curve.unit}s learned from", ylabel="accuracy on what is left out", ylim=(None, 1.02))
        axes.grid(alpha=0.25)
        axes.legend(loc="lower right")
    return figure


def _first_of_each(labels: np.ndarray, kept: np.ndarray, order: np.ndarray, share: float) -> np.ndarray:
    """The first `share` of the images kept of each class, one at least: what is smaller is part of what is larger."""
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels[kept]):
        own = np.flatnonzero(kept & (labels == label))
        chosen[own[np.argsort(order[own])][: max(1, round(share * len(own)))]] = True
    return chosen


def _some_groups(groups: Groups, order: np.ndarray, count: int, fold: Fold) -> np.ndarray:
    """The images of the first `count` groups in an order that are not left out."""
    there = np.unique(groups.of_image[~fold.left_out])
    return np.isin(groups.of_image, order[np.isin(order, there)][:count])


def _gain(counts: np.ndarray, accuracy: np.ndarray, more: float) -> np.ndarray:
    """By the power law through accuracy, float64 [points, m]: [m]."""
    errors = np.maximum(1 - accuracy, 1e-3)
    slope, offset = np.polyfit(np.log(counts), np.log(errors), 1)
    slope = np.minimum(slope, 0.0)  # more does no harm
    last = np.exp(offset + slope * np.log(counts[-1]))
    return last * (1 - (1 + more / counts[-1]) ** slope)


def _two_digits(number: float) -> int:
    return int(float(f"{number:.1e}"))
