"""Distances of hashes."""

import numpy as np
import pytest

from ftdata.sources.source import load_folder
from trainers.doctor import duplicates
from trainers.doctor.duplicates import FINE_LIKE, LIKE, NOTHING_ALIKE, WORDS, nearest, pairs
from trainers.doctor.survey import survey


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


def compared_with_every_other(some, references):
    """(places in `some`, places in `references`, fine distances) of those that look alike, by comparing all."""
    first, second = np.nonzero(np.bitwise_count(some[:, None, 0] ^ references[None, :, 0]) <= LIKE)
    fine = np.bitwise_count(some[first, 1:] ^ references[second, 1:]).sum(axis=1, dtype=np.int64)
    alike = fine <= FINE_LIKE
    return first[alike], second[alike], fine[alike]


def check_against_all(images, references):
    """That the nearest reference of each image, of equal ones the last, and all pairs are those of comparing all."""
    first, second, fine = compared_with_every_other(images, references)
    expected, places = np.full(len(images), NOTHING_ALIKE), np.zeros(len(images), int)
    for row, column, distance in zip(first, second, fine, strict=True):
        if distance <= expected[row]:
            expected[row], places[row] = distance, column
    found = nearest(images, references)
    assert found[0].tolist() == expected.tolist()
    assert found[1].tolist() == places.tolist()
    first, second, _ = compared_with_every_other(references, references)
    every = pairs(references, seed=0)
    assert len(every) == np.sum(first < second)
    expected_pairs = {(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True) if a < b}
    assert {tuple(sorted(pair)) for pair in every.tolist()} == expected_pairs
    return len(every)


def turned(hashes, generator, *, coarse, fine):
    """Copies in which so many bits, or fewer, of the coarse word and of each fine one are others."""
    found = hashes.copy()
    for word, most in enumerate((coarse, *[fine] * (WORDS - 1))):
        for _ in range(most):
            found[:, word] ^= np.uint64(1) << generator.integers(0, 64, len(hashes)).astype(np.uint64)
    return found


@pytest.mark.parametrize("bands", [5, 6, 7])
def test_bands_find_what_comparing_all_finds(bands, monkeypatch):
    monkeypatch.setattr(duplicates, "_BANDS", bands)
    monkeypatch.setattr(duplicates, "_CELLS", 5_000)  # so that candidates come in pieces
    generator = np.random.default_rng(bands)
    first = generator.integers(0, 2**64 - 1, (150, WORDS), np.uint64)
    first[:40, 0] = first[0, 0]  # alike by the coarse hash, not by the fine one
    copies = [turned(first, generator, coarse=coarse, fine=fine) for coarse, fine in ((0, 0), (4, 8), (5, 9), (6, 4))]
    every = np.concatenate([first, *copies])[generator.permutation(750)]
    assert check_against_all(every[:200], every[200:]) > 100


def test_pairs_beyond_the_most_are_those_of_some_images(monkeypatch):
    monkeypatch.setattr(duplicates, "_MOST_PAIRS", 3_000)
    monkeypatch.setattr(duplicates, "_CELLS", 4_000)
    generator = np.random.default_rng(0)
    some = np.repeat(generator.integers(0, 2**64 - 1, (20, WORDS), np.uint64), 20, axis=0)  # 190 pairs of each, 3,800
    found = {tuple(sorted(pair)) for pair in pairs(some, seed=0).tolist()}
    assert 3_000 <= len(found) < 3_800
    assert all(a != b and a // 20 == b // 20 for a, b in found)


@pytest.mark.slow  # decodes all photos
def test_real_photos_that_look_alike_are_those_that_comparing_all_finds(real_photos, tmp_path):
    source = load_folder(str(real_photos), data_dir=str(tmp_path))
    seen = survey(source.splits)
    hashes = {name: found.hashes[found.is_readable & ~found.is_blank] for name, found in seen.items()}
    assert check_against_all(hashes["validation"], hashes["train"]) > 500
