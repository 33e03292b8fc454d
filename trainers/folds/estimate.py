"""What leaving out each group in turn says of a new one, in numbers and in words."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ftdata.names import counted
from trainers.evaluation.scores import Evaluation, per_class
from trainers.folds.division import Fold
from trainers.folds.expectation import FEWEST_GROUPS, LEVEL, Expectation, expect
from trainers.folds.groups import Groups
from trainers.folds.learning_curve import LearningCurve
from trainers.models.class_names import in_a_line

_TELLING = 0.05  # of an accuracy: a gap between the splits that is worth a sentence
_MANY_GROUPS = 12  # from which on one new group is not blamed on their number
_SHOWN_GROUPS, _SHOWN_CLASSES, _COLUMN = 30, 6, 12


@dataclasses.dataclass(frozen=True)
class GroupScore:
    """How the images of a group were judged that was left out: `recall` of each class that it holds, by name."""

    name: str
    images: int
    accuracy: float
    recall: dict[str, float]

    @property
    def scores(self) -> dict[str, Any]:
        """All but its name, as JSON values."""
        return {"images": self.images, "accuracy": self.accuracy, "recall": self.recall}


@dataclasses.dataclass(frozen=True, eq=False)
class Estimate:
    """What is known of new images from images that were left out.

    Attributes:
      class_names: of the classes.
      groups: of the images, or None where nothing is known of groups.
      folds: that were left out, in turn: whole groups where there are groups, else at random.
      left_out: every image judged without its fold.
      at_random: every image judged without a random part of all images; `left_out` itself without groups.
      curves: what more images and groups would bring, where that was asked for.
    """

    class_names: tuple[str, ...]
    groups: Groups | None
    folds: Sequence[Fold]
    left_out: Evaluation
    at_random: Evaluation
    curves: tuple[LearningCurve, ...] = ()

    @functools.cached_property
    def expectation(self) -> Expectation | None:
        """Of a new group; None without groups."""
        if self.groups is None:
            return None
        return expect(np.bincount(self.groups.of_image, self._is_right, len(self.groups.names)), self.groups.sizes)

    @property
    def hardest(self) -> tuple[str, np.ndarray] | None:
        """The group with the lowest accuracy and the places of its images, int64 [k]; None without groups."""
        if self.groups is None:
            return None
        place = int(np.argmin([row.accuracy for row in self.by_group]))
        return self.groups.names[place], np.flatnonzero(self.groups.of_image == place)

    @functools.cached_property
    def by_group(self) -> tuple[GroupScore, ...]:
        """The score of each group, in the order of their names; empty without groups."""
        return tuple(self._score(place) for place in range(len(self.groups.names))) if self.groups else ()

    @property
    def _is_right(self) -> np.ndarray:
        return self.left_out.predicted == self.left_out.labels

    def _score(self, place: int) -> GroupScore:
        assert self.groups is not None
        own = self.groups.of_image == place
        labels, right = self.left_out.labels[own], self._is_right[own]
        recall = {self.class_names[label]: float(right[labels == label].mean()) for label in np.unique(labels)}
        return GroupScore(self.groups.names[place], len(labels), float(right.mean()), recall)

    def metrics(self) -> dict[str, Any]:
        """JSON values: shares from 0 to 1."""
        found = self.expectation
        return {
            "phase": "estimate",
            "expected_new_group_accuracy": found and found.mean,
            "expected_new_group_interval": found and found.interval,
            "new_group_range": found and found.new_group_range,
            "random_split_accuracy": self.at_random.accuracy,
            "balanced_accuracy": self.left_out.balanced_accuracy,
            "f1_macro": self.left_out.f1_macro,
            "folds": len(self.folds),
            "groups": {row.name: row.scores for row in self.by_group},
            "class_names": list(self.class_names),
            **self.left_out.confusion.recorded(),
            "per_class": per_class(self.left_out, self.class_names),
            **({"learning_curve": {curve.unit: curve.metrics() for curve in self.curves}} if self.curves else {}),
        }

    def table(self) -> list[str]:
        """A line for each group, with the recall of each class where there are few; empty without groups."""
        rows = sorted(self.by_group, key=lambda row: row.accuracy)
        width = max((len(in_a_line(row.name)) for row in rows), default=0)
        classes = self.class_names if len(self.class_names) <= _SHOWN_CLASSES else ()
        columns = [f"{in_a_line(name)[:_COLUMN]:>{_COLUMN + 2}}" for name in classes]
        lines = [f"{'group left out':<{max(width, 14)}}{'images':>9}{'accuracy':>11}{''.join(columns)}"] if rows else []
        for row in rows[:_SHOWN_GROUPS]:
            recalls = (row.recall.get(name) for name in classes)
            cells = "".join(f"{'-' if recall is None else f'{recall:.1%}':>{_COLUMN + 2}}" for recall in recalls)
            lines.append(f"{in_a_line(row.name):<{max(width, 14)}}{row.images:>9,}{row.accuracy:>11.1%}{cells}")
        if len(rows) > _SHOWN_GROUPS:
            lines.append(f"... and {counted(len(rows) - _SHOWN_GROUPS, 'group')} with more")
        return lines

    def in_words(self) -> list[str]:
        """The sentences that a user is told."""
        forecasts = [curve.in_words(has_groups=self.groups is not None) for curve in self.curves]
        return [*self._expected_in_words(), *(f"  forecast of {line}" for line in forecasts)]

    def _expected_in_words(self) -> list[str]:
        found = self.expectation
        if found is None:
            return [
                f"accuracy on new images: {self.at_random.accuracy:.1%}, by {counted(len(self.folds), 'random fold')}. "
                "That holds for images like these only: the same cameras, places and days. Without groups nothing is "
                "known of others (--group_pattern)"
            ]
        lines = [f"expected accuracy on a new group: {found.mean:.1%}, the mean of {len(self.by_group)} left out"]
        if len(self.folds) < len(self.by_group):
            lines[0] += f", several at a time in {counted(len(self.folds), 'fold')}"
        if found.interval is None or found.new_group_range is None:
            lines[0] += f"; how far off that can be, fewer than {FEWEST_GROUPS} groups do not tell"
        else:
            lines += [
                f"  {LEVEL:.0%} interval of the mean over groups like these: {_span(found.interval)}",
                f"  {LEVEL:.0%} range of a single new group: {_span(found.new_group_range)}"
                + (", which is wide because the groups are few" if len(self.by_group) < _MANY_GROUPS else ""),
            ]
        return [*lines, self._gap(found.mean), "  a model that is trained on all groups should do a little better"]

    def _gap(self, accuracy: float) -> str:
        gap = self.at_random.accuracy - accuracy
        said = f"a random split says {self.at_random.accuracy:.1%}"
        if gap < _TELLING:
            return f"{said}: about the same, so it matters little which group an image is of"
        return (
            f"{said}, {100 * gap:.1f} points more: it knows the groups of the images that it is judged by (places, "
            "cameras, days), and new images have others"
        )


def _span(bounds: tuple[float, float]) -> str:
    low, high = bounds
    return f"{low:.1%} to {high:.1%}"
