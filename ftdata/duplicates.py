"""Which pictures look alike, by the distance of their hashes. numpy only."""

from collections.abc import Iterator

import numpy as np

# Bits of 64 in which the hashes of two pictures that look alike may differ. On the knifey-spoony photos 41 % of a
# random validation split are this close to a training picture, 0.5 % of one by video, and none of the test set.
LIKE = 4
_CELLS = 2**24  # comparisons at a time
_MOST_PAIRS = 200_000
_MOST_PICTURES = 20_000


def nearest(hashes: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest reference of each hash.

    Args:
      hashes: uint64 [n].
      references: uint64 [m].

    Returns:
      Its distance in bits, uint8 [n] (64 where there are no references), and its place, int64 [n].
    """
    distances, places = np.full(len(hashes), 64, np.uint8), np.zeros(len(hashes), np.int64)
    if len(references):
        for start, table in _tables(hashes, references):
            places[start : start + len(table)] = table.argmin(axis=1)
            distances[start : start + len(table)] = table.min(axis=1)
    return distances, places


def pairs(hashes: np.ndarray, *, seed: int) -> np.ndarray:
    """Pairs of pictures that look alike: int64 [k, 2], places in `hashes`, uint64 [n].

    All of them in a set of 20,000 pictures or fewer that holds at most 200,000 pairs; else some, as `seed` chooses.
    """
    order = np.random.default_rng([seed, 0xA11CE]).permutation(len(hashes))[:_MOST_PICTURES]
    found, count = [np.zeros((0, 2), np.int64)], 0
    for start, table in _tables(hashes[order], hashes[order]):
        first, second = np.nonzero(table <= LIKE)
        later = second > first + start
        found.append(np.stack([first[later] + start, second[later]], axis=1))
        count += len(found[-1])
        if count >= _MOST_PAIRS:
            break
    return order[np.concatenate(found)]


def _tables(hashes: np.ndarray, references: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(start, uint8 [rows, m]): the distances of some hashes at a time to all references."""
    rows = max(1, _CELLS // max(1, len(references)))
    for start in range(0, len(hashes), rows):
        yield start, np.bitwise_count(hashes[start : start + rows, None] ^ references[None])
