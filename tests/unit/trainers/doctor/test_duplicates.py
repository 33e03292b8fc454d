"""Distances of hashes."""

import numpy as np

from trainers.doctor.duplicates import FINE_LIKE, LIKE, NOTHING_ALIKE, WORDS, nearest, pairs


def hashes(*bits):
    """Hashes with this many bits set: in the coarse word, and in the fine ones."""
    rows = np.zeros((len(bits), WORDS), np.uint64)
    for row, (coarse, fine) in zip(rows, bits, strict=True):
        row[:] = [2**coarse - 1, *(2 ** min(64, max(0, fine - 64 * k)) - 1 for k in range(WORDS - 1))]
    return rows


def test_the_reference_with_the_nearest_fine_hash_is_found():
    distances, places = nearest(hashes((0, 0), (0, 70)), hashes((LIKE, 9), (0, 75), (1, 3)))
    assert distances.tolist() == [3, 5]
    assert places.tolist() == [2, 1]


def test_both_hashes_have_to_be_alike():
    references = hashes((LIKE + 1, 0), (0, FINE_LIKE + 1))
    assert nearest(hashes((0, 0)), references)[0].tolist() == [NOTHING_ALIKE]
    assert nearest(hashes((1, 1)), references)[0].tolist() == [1]  # of the first


def test_without_references_nothing_is_alike():
    distances, _ = nearest(np.zeros((3, WORDS), np.uint64), np.zeros((0, WORDS), np.uint64))
    assert distances.tolist() == [NOTHING_ALIKE] * 3


def test_each_pair_within_the_distance_is_found_once():
    found = pairs(hashes((0, 0), (64, 0), (LIKE, FINE_LIKE), (0, 0)), seed=0)
    assert sorted(tuple(sorted(pair)) for pair in found.tolist()) == [(0, 2), (0, 3), (2, 3)]


def test_a_large_set_is_compared_whole_in_pieces():
    many = np.random.default_rng(0).integers(0, 2**63, (6000, WORDS), np.uint64)
    many[5999] = many[17]
    assert sorted(pairs(many, seed=3)[0].tolist()) == [17, 5999]
