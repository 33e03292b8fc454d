"""Distances of hashes."""

import numpy as np

from ftdata.duplicates import LIKE, nearest, pairs


def test_nearest_reference_and_its_distance_in_bits():
    distances, places = nearest(np.array([0b1111, 0b0000], np.uint64), np.array([0b1000, 0b0111], np.uint64))
    assert distances.tolist() == [1, 1]
    assert places.tolist() == [1, 0]


def test_without_references_everything_is_far():
    distances, _ = nearest(np.zeros(3, np.uint64), np.zeros(0, np.uint64))
    assert distances.tolist() == [64, 64, 64]


def test_each_pair_within_the_distance_is_found_once():
    near, far = 2**LIKE - 1, (2 ** (LIKE + 1) - 1) << 32  # LIKE bits from 0, and one more
    found = pairs(np.array([0, far, near, 0], np.uint64), seed=0)
    assert sorted(tuple(sorted(pair)) for pair in found.tolist()) == [(0, 2), (0, 3), (2, 3)]


def test_a_large_set_is_compared_whole_in_pieces():
    hashes = np.random.default_rng(0).integers(0, 2**63, 6000, np.uint64)
    hashes[5999] = hashes[17]
    assert sorted(pairs(hashes, seed=3)[0].tolist()) == [17, 5999]
