"""Which images look alike, by the distance of their hashes. numpy only.

Of six bands of bits at least two are the same in hashes that differ in four bits (the pigeonhole principle, as in
Manku, Jain and Das Sarma: Detecting Near-Duplicates for Web Crawling, WWW 2007). So for each choice of two bands only
hashes with the same 21 bits there are compared: all pairs are found, and few others are looked at.
"""

import itertools
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
_BITS = 64
_CELLS = 2**22  # comparisons at a time
_MOST_PAIRS = 200_000
_BANDS = 6  # of seven there are 35 choices of three to sort by, of five one alone is the same: too many to compare


def nearest(hashes: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The reference that looks most like each image; of several the last.

    Args:
      hashes: uint64 [n, 5], of `survey`.
      references: uint64 [m, 5].

    Returns:
      The distance of its fine hash in bits, int64 [n], NOTHING_ALIKE where no reference looks alike; and its place,
      int64 [n].
    """
    images, of_image = _different(hashes)
    others, of_reference = _different(references)
    last = np.zeros(len(others), np.int64)
    last[of_reference] = np.arange(len(references))
    nothing = NOTHING_ALIKE * (len(references) + 1)
    ranks = np.full(len(images), nothing, np.int64)  # the distance, then how far from the last the place is
    for rows, columns, fine in _LookAlikes(others).of(images):
        np.minimum.at(ranks, rows, fine * (len(references) + 1) + len(references) - last[columns])
    distances, before_last = np.divmod(ranks, len(references) + 1)
    places = np.where(ranks == nothing, 0, len(references) - before_last)
    return distances[of_image], places[of_image]


def pairs(hashes: np.ndarray, *, seed: int) -> np.ndarray:
    """Pairs of images that look alike: int64 [k, 2], places in `hashes`, uint64 [n, 5].

    All of them where there are at most 200,000; else those of some of the images, as `seed` chooses.
    """
    order = seeds.generator(seed, "look_alikes").permutation(len(hashes))
    alike, start, count = _LookAlikes(hashes[order]), 0, max(1, _CELLS // max(1, len(hashes)))
    found, total = [np.zeros((0, 2), np.int64)], 0
    while start < len(order) and total < _MOST_PAIRS:
        for first, second, _ in alike.of(hashes[order[start : start + count]]):
            later = second > first + start
            found.append(np.stack([first[later] + start, second[later]], axis=1))
            total += len(found[-1])
        start, count = start + count, 2 * count  # in an order by chance twice as many have twice as many pairs
    return order[np.concatenate(found)]


def _different(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each hash once, uint64 [k, 5], and which of them that of each image is, int64 [n]: copies are compared once."""
    order = np.lexsort(hashes.T)
    in_order = hashes[order]
    is_first = np.ones(len(hashes), bool)
    is_first[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    which = np.zeros(len(hashes), np.int64)
    which[order] = np.cumsum(is_first) - 1
    return in_order[is_first], which


class _LookAlikes:
    """References, uint64 [m, 5], sorted by each choice of bands of their coarse hashes."""

    def __init__(self, references: np.ndarray):
        self._references = references
        # neighbouring bits are of neighbouring cells, which go together: a band is of bits far from each other
        self._bands = [_mask(range(band, _BITS, _BANDS)) for band in range(_BANDS)]
        self._choices = list(itertools.combinations(range(_BANDS), _BANDS - LIKE))
        self._masks = [np.bitwise_or.reduce([self._bands[band] for band in choice]) for choice in self._choices]
        keys = [references[:, 0] & mask for mask in self._masks]
        self._orders = [np.argsort(key).astype(np.int32) for key in keys]
        self._sorted = [key[order] for key, order in zip(keys, self._orders, strict=True)]

    def of(self, hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(places in `hashes`, places among the references, fine distances), each int64 [k]: each pair once."""
        for number in range(len(self._choices)):
            for rows, columns in self._candidates(number, hashes[:, 0]):
                differing = hashes[rows, 0] ^ self._references[columns, 0]
                near = np.flatnonzero(np.bitwise_count(differing) <= LIKE)
                near = near[self._is_first(number, differing[near])]
                rows, columns = rows[near], columns[near]
                fine = np.bitwise_count(hashes[rows, 1:] ^ self._references[columns, 1:]).sum(axis=1, dtype=np.int64)
                alike = fine <= FINE_LIKE
                yield rows[alike], columns[alike], fine[alike]

    def _candidates(self, number: int, coarse: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places, int64 [k] each, of hashes and references with the same bits in a choice of bands; some at a time."""
        keys = coarse & self._masks[number]
        order = np.argsort(keys)  # so that neighbours are looked up together
        keys = keys[order]
        first = np.searchsorted(self._sorted[number], keys, "left")
        counts = np.searchsorted(self._sorted[number], keys, "right") - first
        ends = np.cumsum(counts)
        start = 0
        while start < len(keys):
            done = int(ends[start - 1]) if start else 0
            end = max(start + 1, int(np.searchsorted(ends, done + _CELLS, "right")))
            part = slice(start, end)
            rows = np.repeat(np.arange(start, end), counts[part])
            within = np.arange(len(rows)) - np.repeat(ends[part] - counts[part] - done, counts[part])
            yield order[rows], self._orders[number][first[rows] + within].astype(np.int64)
            start = end

    def _is_first(self, number: int, differing: np.ndarray) -> np.ndarray:
        """Whether no earlier choice has found these, bool [k]: the chosen bands are the first that are the same."""
        same = np.stack([(differing & band) == 0 for band in self._bands])
        before = np.cumsum(same, axis=0) <= len(self._choices[number])
        chosen = np.zeros(len(self._bands), bool)
        chosen[list(self._choices[number])] = True
        return np.logical_and.reduce(same[chosen] & before[chosen], axis=0)


def _mask(bits: range) -> np.uint64:
    return np.uint64(sum(1 << bit for bit in bits))
