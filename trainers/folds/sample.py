"""Which images are estimated from, where there are many. numpy only."""

import numpy as np

from ftdata import seeds

MOST_IMAGES = 30_000  # to estimate from: more would not tell more, and the features of a million fit no memory
_OF_EACH = 3  # of a class at least, so that it can be left out in part


def sample(labels: np.ndarray, *, seed: int) -> np.ndarray:
    """MOST_IMAGES of the images, by chance, and of many classes as many more as leave three of each: bool [n].

    Args:
      labels: int [n].
      seed: of the draw.
    """
    chosen = np.ones(len(labels), bool)
    if len(labels) > MOST_IMAGES:
        order = seeds.generator(seed, "estimate").permutation(len(labels))
        by_class = order[np.argsort(labels[order], kind="stable")]
        counts = np.bincount(labels)
        number = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)  # within the class, as drawn
        needed = by_class[number < _OF_EACH]
        chosen[:] = False
        chosen[needed] = True
        chosen[order[~chosen[order]][: max(0, MOST_IMAGES - len(needed))]] = True
    return chosen
