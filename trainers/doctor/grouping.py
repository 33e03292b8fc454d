"""Guess from file names which images belong together, and check the guess on images that look alike. numpy only."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from ftdata.sources import holdout

# Ways in which file names tell groups, the plainest first: of those that make the same groups, the first is suggested.
_PATTERNS = (
    *(rf"{mark}(\d+){mark}" for mark in ("-", "_", r"\.", " ")),  # forky-04-0012.jpg
    r"^(\d+)\D",  # 17_left.png
    r"(\d+)\D+\d+\D*$",  # video4 frame12.png
    r"^([^-_. ]+)[-_. ]",  # kitchen-0012.png
    r"^(.+)[-_. ]\d+\D*$",  # old kitchen-0012.png
    r"^(.*\D)\d+\D*$",  # kitchen0012.png
    r"/([^/]+)/[^/]+$",  # cat/garden/12.png
)
_FEWEST_PAIRS = 20  # fewer say nothing
_KEPT = 0.9  # least share of the pairs that a pattern worth suggesting keeps together
_AS_GOOD = 0.01


@dataclasses.dataclass(frozen=True)
class Grouping:
    """A pattern for `--group_pattern`, the number of groups it makes, the share of the pairs it keeps together, and
    whether most groups hold several classes."""

    pattern: str
    groups: int
    kept: float
    is_mixed: bool


def suggest(names: Sequence[str], labels: np.ndarray, alike: np.ndarray, *, splits: int) -> Grouping | None:
    """The pattern that keeps images that look alike together, if there is one.

    Of patterns that keep as many together, the one with the most groups: it leaves the most choice.

    Args:
      names: of n files, relative to the data set.
      labels: int [n].
      alike: int [k, 2], places of pairs that look alike.
      splits: how many splits the images are divided into.

    Returns:
      None where no pattern does, or where too few images look alike to tell.
    """
    if len(alike) < _FEWEST_PAIRS:
        return None
    found = [grouping for pattern in _PATTERNS if (grouping := _try(pattern, names, labels, alike, splits))]
    best = max((grouping.kept for grouping in found), default=0.0)
    good = [grouping for grouping in found if grouping.kept >= max(_KEPT, best - _AS_GOOD)]
    return max(good, key=lambda grouping: grouping.groups, default=None)  # the first of several


def kept_together(groups: np.ndarray, alike: np.ndarray) -> float:
    """The share of the pairs `alike`, int [k, 2], whose images are of one of the `groups`, int [n]."""
    return float(np.mean(groups[alike[:, 0]] == groups[alike[:, 1]]))


def _try(pattern: str, names: Sequence[str], labels: np.ndarray, alike: np.ndarray, splits: int) -> Grouping | None:
    searched = names if "/" in pattern else [name.rsplit("/", 1)[-1] for name in names]
    if np.mean([re.search(pattern, name) is not None for name in searched]) < _KEPT:
        return None
    groups = holdout.group_ids(names, pattern)
    _, sizes = np.unique(groups, return_counts=True)
    units = np.unique(np.stack([groups, labels], axis=1), axis=0)  # each class in each group, once
    groups_a_class = np.unique(units[:, 1], return_counts=True)[1]
    if groups_a_class.min() < splits or len(sizes) > len(names) // 2:
        return None  # a split would lack a class, or nothing is kept together
    kept, by_chance = kept_together(groups, alike), float(np.sum((sizes / len(names)) ** 2))
    if kept - by_chance < 0.5 * (1 - by_chance):  # one large group keeps much together whatever it is
        return None
    classes_a_group = np.unique(units[:, 0], return_counts=True)[1]
    return Grouping(pattern, len(sizes), kept, bool(np.mean(classes_a_group > 1) > 0.5))
