"""Which images belong together, as their file names tell. No TensorFlow."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ftdata.sources.holdout import named_groups


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """Which group each of n images is of: `of_image`, int [n], places in `names`."""

    of_image: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str], pattern: str | None) -> "Groups | None":
        """The groups of files by `--group_pattern`, in the order of what they are called; None without a pattern."""
        if pattern is None:
            return None
        of_image, called = named_groups(names, pattern)
        order = sorted(range(len(called)), key=lambda place: called[place])
        return cls(np.argsort(order)[of_image], tuple(called[place] for place in order))

    @property
    def sizes(self) -> np.ndarray:
        """Images of each group, int64 [groups]."""
        return np.bincount(self.of_image, minlength=len(self.names))
