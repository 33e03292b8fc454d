"""Which trials fit into the time: computed once, from speeds that were measured once. No TensorFlow.

Successive halving (Jamieson and Talwalkar, 2016, arXiv:1502.07943) over folds: all trials train some of the folds, the
better half of them more, and the last ones all. What a fold has trained is never trained again, and two trials are
always compared on the same folds.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import TypeVar

from trainers.folds.sample import MOST_IMAGES

_Trial = TypeVar("_Trial")
_LEFT_FOR_SURPRISES = 0.15  # of the time that is left when the schedule is made
_OF_A_PROCESS_S = 6.0  # to open the images, and to end
_AFTER_A_PHASE_S = 15.0  # figures, checkpoints and the test set of the model that is kept


@dataclasses.dataclass(frozen=True)
class Speed:
    """How fast a network is here, and how much there is to do with it.

    Attributes:
      images: that are trained on and left out in turn.
      folds: how many.
      test_images: of the test set.
      forward_s: seconds an image, for its features.
      step_s: seconds an image in a training step with all layers and the costliest augmentation.
      setup_s: seconds until the first step of a process is done, less that step.
    """

    images: int
    folds: int
    test_images: int
    forward_s: float
    step_s: float
    setup_s: float


@dataclasses.dataclass(frozen=True)
class Effort:
    """What a recipe costs.

    Attributes:
      epochs: of fine-tuning.
      views: whose features the head is solved on.
      judged: models that are judged after each epoch.
      live: epochs of transfer on the images themselves.
    """

    epochs: int
    views: int
    judged: int
    live: int = 0


def head_s(speed: Speed) -> float:
    """Seconds to judge heads on the features of a backbone."""
    images = min(speed.images, MOST_IMAGES)
    return speed.setup_s + _OF_A_PROCESS_S + images * speed.forward_s + _AFTER_A_PHASE_S / 2


def views_s(speed: Speed, effort: Effort) -> float:
    """Seconds to compute the features of augmented views, once for all folds."""
    return effort.views * speed.images * speed.forward_s


def fold_s(speed: Speed, effort: Effort) -> float:
    """Seconds to train one fold."""
    left_out = speed.images / speed.folds
    steps = (speed.images - left_out) * (effort.epochs * speed.step_s + effort.live * speed.forward_s)
    return speed.setup_s + steps + effort.epochs * effort.judged * left_out * speed.forward_s


def refit_s(speed: Speed, effort: Effort) -> float:
    """Seconds to train the model of all images, and to evaluate it."""
    steps = speed.images * (effort.epochs * speed.step_s + effort.live * speed.forward_s)
    return 2 * speed.setup_s + steps + speed.test_images * speed.forward_s + 2 * _AFTER_A_PHASE_S


def head_refit_s(speed: Speed, effort: Effort) -> float:
    """Seconds to solve for the head alone with each fold and on all images, features of views included."""
    per_phase = speed.setup_s / 2 + _AFTER_A_PHASE_S / 4
    live = speed.folds * effort.live * speed.images * speed.forward_s
    return views_s(speed, effort) + live + (speed.folds + 1) * per_phase + speed.setup_s + _AFTER_A_PHASE_S


def levels(trials: int, folds: int) -> list[tuple[int, int]]:
    """(trials, folds that they have trained by its end) of each level; the last two trials train all folds.

    Args:
      trials: how many begin, at least 1.
      folds: how many there are.
    """
    counts = [trials]
    while counts[-1] > 2:
        counts.append(math.ceil(counts[-1] / 2))
    counts = counts[-folds:] if len(counts) > folds else counts
    counts[0] = trials
    return [(count, max(1, round(folds * (level + 1) / len(counts)))) for level, count in enumerate(counts)]


def total_s(trials: Sequence[tuple[Speed, Effort]]) -> float:
    """Seconds of all levels, if the costliest trials survive, and of the costliest refit."""
    trained, total = 0, sum(views_s(*trial) for trial in trials)
    costliest = sorted(trials, key=lambda trial: fold_s(*trial), reverse=True)
    for count, folds in levels(len(trials), trials[0][0].folds):
        each = [(folds - trained) * fold_s(*trial) + _OF_A_PROCESS_S for trial in costliest[:count]]
        total, trained = total + sum(each), folds
    return total + max(refit_s(*trial) for trial in trials)


def affordable(left_s: float) -> float:
    """Of the seconds that are left those that are planned with."""
    return left_s * (1 - _LEFT_FOR_SURPRISES)


def count(candidates: Sequence[tuple[Speed, Effort]], *, left_s: float) -> int:
    """How many of the first candidates fit into the time that is left; 0 if not even one does."""
    numbers = range(1, len(candidates) + 1)
    return max((number for number in numbers if total_s(candidates[:number]) <= affordable(left_s)), default=0)


def interleaved(by_backbone: Sequence[Sequence[_Trial]]) -> list[_Trial]:
    """The trials in the order in which they are taken in: two of the best backbone for one of each other.

    Args:
      by_backbone: the trials of each backbone, the best first.
    """
    queues: list[list[_Trial]] = [list(trials) for trials in by_backbone]
    found: list[_Trial] = []
    while any(queues):
        for place, queue in enumerate(queues):
            taken = 2 if place == 0 else 1
            found += queue[:taken]
            del queue[:taken]
    return found
