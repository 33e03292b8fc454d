"""Which images are left out together, so that each is judged by a model that has seen nothing of its group."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from ftdata.config import DataConfig
from ftdata.errors import UserError
from ftdata.labels import is_multi
from ftdata.names import listed
from ftdata.sources.source import Source
from trainers.folds import label_division
from trainers.folds.groups import Groups

_WITHOUT_GROUPS = 5  # folds where nothing is known of groups
_LONGEST_NAME = 60  # of a fold's folder; file systems take 255 bytes
_MOST_FOLDS = 30  # where each group is a fold of its own


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
    """The images that one model does not see: `left_out` is bool [n]; `groups` names their groups, if there are any."""

    name: str
    left_out: np.ndarray
    groups: tuple[str, ...] = ()

    def folder_name(self, number: int) -> str:
        """What the folder of its run is called, as the fold `number`, counted from 0."""
        return f"{number + 1:02}-{re.sub(r'[^A-Za-z0-9._-]+', '_', self.name)[:_LONGEST_NAME]}"


def by_groups(
    labels: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    *,
    class_names: Sequence[str],
    folds: int | None = None,
) -> list[Fold]:
    """Folds of whole groups: each group by itself where that leaves images of all classes, else several together.

    Args:
      labels: int [n], or of several labels an image float32 [n, num_classes].
      groups: int [n], places in `names`.
      names: of the groups.
      class_names: of the classes.
      folds: how many; by default one for each group, up to thirty.

    Returns:
      In the order of their groups' names.

    Raises:
      UserError: a class that is in one group alone, or fewer groups than folds.
    """
    if is_multi(labels):
        return _label_groups(labels, groups, names, class_names=class_names, folds=folds)
    units = np.unique(np.stack([labels, groups], axis=1), axis=0)  # each class in each group, once
    groups_of = np.bincount(units[:, 0], minlength=len(class_names))
    lonely = [name for name, count in zip(class_names, groups_of, strict=True) if count == 1]
    if lonely:
        raise UserError(
            f"{listed(lonely)}: all images are in one group, and a model cannot be judged on a class that it has not "
            "seen: give every class images of two groups or more, or another --group_pattern"
        )
    if folds and folds > len(names):
        raise UserError(f"folds must be up to the number of groups, {len(names)}, got {folds}")
    is_mixed = len(class_names) == 1 or bool((np.bincount(units[:, 1]) > 1).all())
    if is_mixed and (folds or len(names)) == len(names) <= _MOST_FOLDS:
        return [Fold(name, groups == place, (name,)) for place, name in enumerate(names)]
    from sklearn.model_selection import StratifiedGroupKFold

    count = folds or min(_MOST_FOLDS, len(names), *(int(number) for number in groups_of[groups_of > 0]))
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=0)
    found = []
    for _, places in splitter.split(np.zeros(len(labels)), labels, groups):
        inside = np.unique(groups[places])
        members = tuple(names[place] for place in inside)
        found.append(Fold(" ".join(members), np.isin(groups, inside), members))
    return sorted(found, key=lambda fold: fold.name)


def _label_groups(
    labels: np.ndarray, groups: np.ndarray, names: Sequence[str], *, class_names: Sequence[str], folds: int | None
) -> list[Fold]:
    counts = np.zeros((len(names), len(class_names)))
    np.add.at(counts, groups, labels > 0)
    label_division.check(counts, class_names, what="group")
    if (folds or len(names)) == len(names) <= _MOST_FOLDS:
        return [Fold(name, groups == place, (name,)) for place, name in enumerate(names)]
    sizes = np.bincount(groups, minlength=len(names))
    count = folds or min(_MOST_FOLDS, len(names))
    fold_of, found = label_division.divide(counts, sizes, class_names, folds=count), []
    for number in range(count):
        members = tuple(names[place] for place in np.flatnonzero(fold_of == number).tolist())
        found.append(Fold(" ".join(members), fold_of[groups] == number, members))
    return sorted(found, key=lambda fold: fold.name)


def of_labels(labels: np.ndarray, *, class_names: Sequence[str], folds: int | None = None) -> list[Fold]:
    """As `at_random`, of several labels an image, float32 [n, num_classes], by iterative stratification.

    Raises:
      UserError: a class that a single image shows.
    """
    shows = labels > 0
    label_division.check(shows, class_names, what="image")
    count = folds or min(_WITHOUT_GROUPS, len(labels))
    fold_of = label_division.divide(shows, np.ones(len(labels), int), class_names, folds=count)
    return [Fold(f"{number + 1} of {count}", fold_of == number) for number in range(count)]


def at_random(labels: np.ndarray, *, folds: int | None = None) -> list[Fold]:
    """Folds with the same shares of the classes, one image like another.

    Args:
      labels: int [n].
      folds: how many; by default five, or as many as the smallest class has images.

    Raises:
      UserError: a class with fewer images than folds, or than two.
    """
    from sklearn.model_selection import StratifiedKFold

    counts = np.bincount(labels)
    fewest = int(counts[counts > 0].min())
    if folds and folds > fewest:
        raise UserError(f"folds must be up to the images of the smallest class, {fewest}, got {folds}")
    count = folds or min(_WITHOUT_GROUPS, fewest)
    if count < 2:
        raise UserError("a class with a single image cannot be estimated: give every class two or more")
    found = []
    for number, (_, places) in enumerate(StratifiedKFold(count, shuffle=True, random_state=0).split(labels, labels)):
        left_out = np.zeros(len(labels), bool)
        left_out[places] = True
        found.append(Fold(f"{number + 1} of {count}", left_out))
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class Division:
    """How the training images are divided: the `folds`, and their `groups`, which count equally in what is chosen."""

    folds: Sequence[Fold]
    groups: Groups | None

    def parts(self, numbers: Sequence[int]) -> dict[str, np.ndarray]:
        """What counts equally of the images that the folds in `numbers` leave out, bool [n] by its name: their groups,
        or where there are none the folds."""
        folds = [self.folds[number] for number in numbers]
        if self.groups is None:
            return {fold.name: fold.left_out for fold in folds}
        left_out = np.logical_or.reduce([fold.left_out for fold in folds])
        places = np.unique(self.groups.of_image[left_out])
        return {self.groups.names[place]: self.groups.of_image == place for place in places}

    @classmethod
    def of(cls, source: Source, data: DataConfig, asked: str | None) -> "Division":
        """What `--folds` asks for; None is as many folds as there are groups.

        Raises:
          UserError: classes or groups that are too few.
        """
        labels, count = source.train.labels, int(asked) if asked and asked != "groups" else None
        groups = Groups.of(source.train.names, data.group_pattern)
        if groups is None:
            if is_multi(labels):
                return cls(of_labels(labels, class_names=source.class_names, folds=count), None)
            return cls(at_random(labels, folds=count), None)
        names = source.class_names
        return cls(by_groups(labels, groups.of_image, groups.names, class_names=names, folds=count), groups)
