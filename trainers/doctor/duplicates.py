"""Which images look alike, by the distance of their hashes. numpy only."""

from collections.abc import Iterator

import numpy as np

from ftdata import seeds

# Bits in which two images that look alike may differ: of the 64 of the coarse hash, and of the 256 of the fine one.
# On the knifey-spoony photos 31 % of a random validation split have such a training image, none of one by video,
# none of the test set. Of rendered images, each of them of its own, 0.5 % (cutlery) and 1.2 % (objects) have one.
# The coarse hash alone said 5 % of cutlery: two plain things on plain ground.
LIKE, FINE_LIKE = 4, 32
WORDS = 5  # uint64 of an image: one of the coarse hash, four of the fine one
NOTHING_ALIKE = 257
_CELLS = 2**24  # comparisons at a time
_MOST_PAIRS = 200_000
_MOST_IMAGES = 20_000


def nearest(hashes: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The reference that looks most like each image.

    Args:
      hashes: uint64 [n, 5], of `survey`.
      references: uint64 [m, 5].

    Returns:
      The distance of its fine hash in bits, int64 [n], NOTHING_ALIKE where no reference looks alike; and its place,
      int64 [n].
    """
    distances, places = np.full(len(hashes), NOTHING_ALIKE, np.int64), np.zeros(len(hashes), np.int64)
    for rows, columns, fine in _look_alikes(hashes, references):
        farthest_first = np.argsort(-fine, kind="stable")  # so that the nearest is written last
        rows, columns, fine = rows[farthest_first], columns[farthest_first], fine[farthest_first]
        distances[rows], places[rows] = fine, columns
    return distances, places


def pairs(hashes: np.ndarray, *, seed: int) -> np.ndarray:
    """Pairs of images that look alike: int64 [k, 2], places in `hashes`, uint64 [n, 5].

    All of them in a set of 20,000 images or fewer that holds at most 200,000 pairs; else some, as `seed` chooses.
    """
    order = seeds.generator(seed, "look_alikes").permutation(len(hashes))[:_MOST_IMAGES]
    found, count = [np.zeros((0, 2), np.int64)], 0
    for first, second, _ in _look_alikes(hashes[order], hashes[order]):
        later = second > first
        found.append(np.stack([first[later], second[later]], axis=1))
        count += len(found[-1])
        if count >= _MOST_PAIRS:
            break
    return order[np.concatenate(found)]


def _look_alikes(hashes: np.ndarray, references: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(places in `hashes`, places in `references`, fine distances), each int64 [k], of some hashes at a time."""
    rows = max(1, _CELLS // max(1, len(references)))
    for start in range(0, len(hashes), rows):
        some = hashes[start : start + rows]
        first, second = np.nonzero(np.bitwise_count(some[:, None, 0] ^ references[None, :, 0]) <= LIKE)
        fine = np.bitwise_count(some[first, 1:] ^ references[second, 1:]).sum(axis=1, dtype=np.int64)
        alike = fine <= FINE_LIKE
        yield first[alike] + start, second[alike], fine[alike]
