"""Intervals that hold what they promise, over groups that are drawn."""

import numpy as np
import pytest
from scipy import special

from trainers.folds.expectation import FEWEST_GROUPS, bounds, expect

_DRAWS, _IMAGES = 10_000, 400


def _drawn(kind, generator, shape):
    """True accuracies of groups."""
    if kind == "beta":
        return generator.beta(4.0, 1.2, shape)
    effects = generator.normal(0, 1, shape)
    if kind == "skewed":  # a few groups are much harder
        effects = (2 - generator.gamma(2.0, 1.0, shape)) / 2**0.5
    return special.expit(1.2 + 0.9 * effects)


@pytest.mark.parametrize("kind", ["normal", "skewed", "beta"])
@pytest.mark.parametrize("groups", [4, 6, 12, 30])
def test_the_intervals_cover_what_they_say(kind, groups):
    generator = np.random.default_rng(groups)
    right = generator.binomial(_IMAGES, _drawn(kind, generator, (_DRAWS, groups)))
    mean, another = _drawn(kind, generator, 1_000_000).mean(), _drawn(kind, generator, _DRAWS)
    low, high, lowest, highest = bounds(right, np.full(groups, _IMAGES), level=0.95)
    of_mean = np.mean((low <= mean) & (mean <= high))
    of_new = np.mean((lowest <= another) & (another <= highest))
    assert of_mean == pytest.approx(0.95, abs=0.03)
    assert of_new == pytest.approx(0.95, abs=0.03)


def test_groups_count_equally_whatever_their_size():
    assert expect(np.array([5, 900, 0, 8]), np.array([10, 1_000, 50, 10])).accuracy == pytest.approx(
        (0.5 + 0.9 + 0.8) / 4
    )


def test_few_groups_give_no_interval():
    count = np.full(FEWEST_GROUPS - 1, 10)
    found = expect(count - 1, count)
    assert found.accuracy == pytest.approx(0.9)
    assert found.interval is None
    assert found.new_group_range is None


def test_groups_without_a_mistake_are_not_known_for_certain():
    found = expect(np.full(6, 20), np.full(6, 20))
    assert found.accuracy == 1
    assert 0.8 < found.interval[0] < 0.97
    assert found.interval[1] == found.accuracy == 1


def test_a_wider_level_is_wider():
    right, count = np.array([6, 7, 9, 8, 10]), np.full(5, 10)
    wide, narrow = (expect(right, count, level=level).interval for level in (0.95, 0.8))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
