"""The probability from which on an answer is taken, of each class: as low as a wanted precision allows, or as high as a
wanted recall does.

An answer is the most probable class; it is accepted where its probability reaches the threshold of that class. They are
chosen on images that the model has not learned from, and hold for images like those.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainers.evaluation import excerpt
from trainers.evaluation.scores import Evaluation
from trainers.models.class_names import in_a_line

_NEVER = 2.0  # above every probability
_ROUNDING = 1e-9  # of a share
_SCORES = ("precision", "recall")
_COLUMNS = (12, 19, 6, 15, 6, 8)  # characters


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Those of every class.

    Attributes:
      target: what was wanted, `precision` or `recall`.
      wanted: how much of it, from 0 to 1.
      values: of each class, from 0 to 1. Where none gives the precision that was wanted it is None, and no answer is
        accepted; where none gives the recall it is 0, and all are.
    """

    target: str
    wanted: float
    values: tuple[float | None, ...]

    @classmethod
    def choose(cls, held_out: Evaluation, *, target: str, wanted: float) -> "Thresholds":
        """Those that give what is wanted on images that the model has not learned from: of precision with the fewest
        answers refused, of recall with the fewest accepted."""
        own, every = _precise if target == "precision" else _complete, range(held_out.num_classes)
        rounded = (column.astype(np.float32) for column in held_out.by_class(every))  # as a model gives them
        return cls(target, wanted, tuple(own(column, held_out, k, wanted) for k, column in enumerate(rounded)))

    @classmethod
    def of_metrics(cls, stored: Mapping[str, Any] | None, class_names: Sequence[str]) -> "Thresholds | None":
        """Out of the JSON values of `metrics`; None where there are none of these classes."""
        if not stored or set(stored["by_class"]) != set(class_names):
            return None
        values = tuple(stored["by_class"][name]["threshold"] for name in class_names)
        return cls(stored["target"], stored["wanted"], values)

    def accepted(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether the most probable class reaches its threshold: float [n, num_classes] -> bool [n]."""
        least = np.array([_NEVER if value is None else value for value in self.values], np.float32)
        probabilities = probabilities.astype(np.float32)  # as a model gives them
        return probabilities.max(axis=1) >= least[probabilities.argmax(axis=1)]

    def metrics(self, evaluation: Evaluation, class_names: Sequence[str]) -> dict[str, Any]:
        """JSON values: the thresholds, and what they give on some images; None for the precision of no answers."""
        accepted = np.concatenate([self.accepted(block) for block in evaluation.by_image()])
        labels, predicted = evaluation.labels, evaluation.predicted
        of_class = [labels, predicted[accepted], predicted[accepted & (labels == predicted)]]
        counts = np.stack([np.bincount(part, minlength=len(class_names)) for part in of_class], axis=1)
        by_class = {
            name: {
                "threshold": self.values[k],
                "precision": right / taken if taken else None,
                "recall": right / support if support else None,
                "accepted": taken,
            }
            for k, (name, (support, taken, right)) in enumerate(zip(class_names, counts.tolist(), strict=True))
        }
        return {
            "target": self.target,
            "wanted": self.wanted,
            "accepted_fraction": float(accepted.mean()),
            "by_class": by_class,
        }


def reached(found: Mapping[str, Any]) -> list[str]:
    """The classes that have what was wanted, out of `Thresholds.metrics` of the images that chose."""
    target, wanted = found["target"], found["wanted"] - _ROUNDING
    return [name for name, row in found["by_class"].items() if row[target] is not None and row[target] >= wanted]


def in_words(chosen_on: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """A table of what was wanted, what there is on the images that chose, and on others; of many classes those with the
    least of it.

    Args:
      chosen_on: `Thresholds.metrics` of the images that chose, and how many they are, `images`.
      found: those of the images evaluated.
    """
    shown, rest = list(found["by_class"]), list[str]()
    if len(shown) > excerpt.MOST_CLASSES:
        rest = [f"the {excerpt.MOST_CLASSES} of {len(shown):,} classes with the least {found['target']} when held out"]
        rest[0] += "; metrics.json has all"
        least = sorted(shown, key=lambda name: chosen_on["by_class"][name][found["target"]] or 0.0)
        shown = least[: excerpt.MOST_CLASSES]
    width = max(len("class"), *(len(in_a_line(name)) for name in shown))
    titles = ("threshold", "held out: precision", "recall", "here: precision", "recall", "accepted")
    lines = [
        f"thresholds for a {found['target']} of {found['wanted']:g} in each class, chosen on {chosen_on['images']:,} "
        f"images held out of the training; here {found['accepted_fraction']:.1%} of the answers are accepted",
        _row("class", titles, width),
    ]
    has_it = set(reached(chosen_on))
    for name in shown:
        here = found["by_class"][name]
        value = "out of reach" if here["threshold"] is None else f"{here['threshold']:.3f}"
        shares = [_percent(row[score]) for row in (chosen_on["by_class"][name], here) for score in _SCORES]
        missed = "" if name in has_it or here["threshold"] is None else "  out of reach: all are accepted"
        lines.append(_row(in_a_line(name), (value, *shares, f"{here['accepted']:,}"), width) + missed)
    return [*lines, *rest]


def _row(name: str, cells: Sequence[str], width: int) -> str:
    return f"{name:<{width}}" + "".join(f"  {cell:>{size}}" for cell, size in zip(cells, _COLUMNS, strict=True))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _precise(probabilities: np.ndarray, held_out: Evaluation, k: int, wanted: float) -> float | None:
    """The lowest threshold at which the share of right ones among the accepted answers `k` is what is wanted."""
    answered = held_out.predicted == k
    order = np.argsort(-probabilities[answered], kind="stable")
    falling = probabilities[answered][order]
    right = np.cumsum((held_out.labels[answered] == k)[order])
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)  # of equal probabilities
    good = [end for end in ends if end >= 0 and right[end] >= (wanted - _ROUNDING) * (end + 1)]
    return _below(falling, int(good[-1])) if good else None


def _complete(probabilities: np.ndarray, held_out: Evaluation, k: int, wanted: float) -> float:
    """The highest threshold at which the share of images `k` that are answered so, and accepted, is what is wanted."""
    is_class, answered = held_out.labels == k, held_out.predicted == k
    found = np.sort(probabilities[is_class & answered])[::-1]
    needed = max(1, int(np.ceil((wanted - _ROUNDING) * is_class.sum())))
    if len(found) < needed:
        return 0.0
    falling = np.sort(probabilities[answered])[::-1]
    return _below(falling, int(np.flatnonzero(falling >= found[needed - 1])[-1]))


def _below(falling: np.ndarray, last: int) -> float:
    """Halfway from the last probability that is accepted to the next one, which is not; 0 where all are accepted."""
    if last + 1 == len(falling):
        return 0.0
    halfway = np.float32((float(falling[last]) + float(falling[last + 1])) / 2)
    return float(halfway if halfway > falling[last + 1] else falling[last])  # between neighbours there is nothing
