"""Distances from what is known, against SciPy's, and the limit that groups left out call for."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from trainers.models import novelty
from trainers.models.novelty import Novelty

_RNG = np.random.default_rng(0)


def _clusters(count, channels=6):
    """Images about three directions, of any length."""
    directions = np.eye(3, channels)[np.arange(count) % 3] + 0.05 * _RNG.normal(size=(count, channels))
    return directions * _RNG.uniform(0.5, 20, (count, 1))


def test_prototypes_are_the_middles_of_clusters_whatever_the_length():
    found = Novelty.of(_clusters(300), 3)
    assert found.prototypes.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found.prototypes, axis=1), 1, rtol=1e-6)
    order = np.argsort(-found.prototypes.argmax(axis=1))[::-1]
    np.testing.assert_allclose(found.prototypes[order], np.eye(3, 6), atol=0.03)


def test_distances_are_one_minus_the_cosine_to_the_nearest():
    found, others = Novelty.of(_clusters(60), 5), _RNG.normal(size=(50, 6))
    expected = cdist(others, found.prototypes, "cosine").min(axis=1)
    np.testing.assert_allclose(found.distances(others.astype(np.float32)), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.in_units_of(0.3).distances(others), expected / 0.3, rtol=1e-4, atol=1e-6)


def test_few_images_are_prototypes_each_and_nothing_is_far_from_nothing():
    few = _clusters(2)
    found = Novelty.of(few, 12)
    np.testing.assert_allclose(found.distances(few), 0, atol=1e-6)
    assert np.isfinite(found.distances(np.zeros((1, 6)))).all()


def test_the_same_images_give_the_same_prototypes():
    images = _clusters(90)
    np.testing.assert_array_equal(Novelty.of(images, 4).prototypes, Novelty.of(images, 4).prototypes)


def test_the_largest_quantile_of_a_group_counts():
    small, large = np.arange(19.0), np.arange(100.0, 139.0)
    assert novelty.threshold({"a": small}, 0.95) == 18.0  # the ceil(20 * 0.95) = 19th
    assert novelty.threshold({"a": small, "b": large}, 0.95) == 137.0  # the ceil(40 * 0.95) = 38th of b
    assert novelty.threshold({"a": small[:18]}, 0.95) is None
    assert novelty.threshold({"a": small[:18], "b": large}, 0.95) == 137.0  # a is too small to tell
    assert novelty.threshold({"a": small, "b": 50 + small[:10], "c": 70 + small[:9]}, 0.95) == 78.0  # b and c are one
    assert novelty.threshold({"a": small[:10], "b": 50 + small[:9]}, 0.95) == 58.0  # together they are enough


@pytest.mark.parametrize(("coverage", "count"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_how_many_images_it_takes(coverage, count):
    assert novelty.fewest(coverage) == count
    assert novelty.threshold({"a": np.arange(float(count))}, coverage) == count - 1
    assert novelty.threshold({"a": np.arange(count - 1.0)}, coverage) is None


def test_each_group_is_judged_by_the_limit_of_the_others():
    groups = {"near": np.arange(19.0), "far": np.arange(10.0, 29.0), "few": np.array([40.0, 0.0])}
    found = novelty.left_out_coverage(groups, 0.95)
    assert found == {"near": 1.0, "far": 9 / 19, "few": 0.5}
    assert novelty.left_out_coverage({"alone": np.arange(19.0)}, 0.95) == {"alone": None}


def test_images_like_those_left_out_are_taken_as_often_as_was_asked():
    taken = []
    for _ in range(2000):
        distances = _RNG.gamma(2.0, size=60)
        taken.append(np.mean(distances[40:] <= novelty.threshold({"a": distances[:40]}, 0.9)))
    assert 0.895 < np.mean(taken) < 0.915  # 37 / 41 = 0.902
