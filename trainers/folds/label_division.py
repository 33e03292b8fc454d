"""Folds of images with several labels each, or of their groups: iterative stratification.

Sechidis et al.: On the Stratification of Multi-Label Data, 2011. Folds are divided anew for every run, so that nothing
speaks against it here, as it does where images are to stay on their side of a split (`ftdata.sources.label_holdout`).
"""

from collections.abc import Sequence

import numpy as np

from ftdata.errors import UserError
from ftdata.names import counted, listed


def check(counts: np.ndarray, class_names: Sequence[str], *, what: str) -> None:
    """Checks that each class can be left out and still be learned.

    Args:
      counts: how many images of each unit (an image, or a group of them) show each class, [units, num_classes].
      class_names: of the classes.
      what: a unit is called.

    Raises:
      UserError: a class that one unit alone shows.
    """
    lonely = [name for name, shown in zip(class_names, (counts > 0).sum(axis=0), strict=True) if shown == 1]
    if lonely:
        way_out = "groups, or another --group_pattern" if what == "group" else "images"
        raise UserError(
            f"{listed(lonely)}: one {what} alone shows it, and a model cannot be judged on a class that it has not "
            f"seen: give every class two or more {way_out}"
        )


def divide(counts: np.ndarray, sizes: np.ndarray, class_names: Sequence[str], *, folds: int) -> np.ndarray:
    """Which fold each unit is left out with: int64 [units].

    The class that the fewest images show is dealt first: each of its units, the largest first, goes to the fold that
    lacks the class most, of several to the smallest. Units without a label come last.

    Args:
      counts: how many images of each unit show each class, [units, num_classes].
      sizes: images of each unit, int [units].
      class_names: of the classes.
      folds: how many.

    Raises:
      UserError: more folds than units, or all that show a class fall into one fold.
    """
    if folds > len(counts):
        raise UserError(f"folds must be up to the number of images or groups, {len(counts)}, got {folds}")
    counts = counts.astype(np.float64)
    fold_of, left = np.full(len(counts), -1), counts.sum(axis=0)
    lacks, room = np.tile(left / folds, (folds, 1)), np.full(folds, sizes.sum() / folds)

    def deal(unit: int, wanted: np.ndarray) -> None:
        fold = int(np.lexsort((-room, -wanted))[0])
        fold_of[unit] = fold
        lacks[fold] -= counts[unit]
        room[fold] -= sizes[unit]
        left[:] -= counts[unit]

    while (left > 0.5).any():
        k = int(np.argmin(np.where(left > 0.5, left, np.inf)))
        units = np.flatnonzero((fold_of < 0) & (counts[:, k] > 0))
        for unit in units[np.argsort(-counts[units, k], kind="stable")].tolist():
            deal(unit, lacks[:, k])
    for unit in np.flatnonzero(fold_of < 0).tolist():
        deal(unit, room)
    together = [
        name
        for name, shown in zip(class_names, (counts > 0).T, strict=True)
        if shown.any() and len(np.unique(fold_of[shown])) == 1
    ]
    if together:
        raise UserError(
            f"{listed(together)}: all that show it fall into one of {counted(folds, 'fold')}, and a model cannot be "
            "judged on a class that it has not seen: give every class more images, or more folds"
        )
    return fold_of
