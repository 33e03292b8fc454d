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


def _map(generator, ease, images, classes=4, share=0.3):
    """The mAP of groups [...] whose images show each class by chance, scored as far apart as `ease` says."""
    shows = generator.random((*ease.shape, classes, images)) < share
    scores = ease[..., None, None] * (2.0 * shows - 1) + generator.normal(size=shows.shape)
    shows = np.take_along_axis(shows, np.argsort(-scores, axis=-1), axis=-1)
    found, total = np.cumsum(shows, axis=-1), shows.sum(axis=-1)
    precision = (found / np.arange(1, images + 1) * shows).sum(axis=-1) / np.maximum(1, total)
    return (precision * (total > 0)).sum(axis=-1) / np.maximum(1, (total > 0).sum(axis=-1))


@pytest.mark.parametrize(("images", "least"), [(20, 0.86), (60, 0.9), (200, 0.9)])
@pytest.mark.parametrize("groups", [4, 12])
def test_a_map_is_covered_as_an_accuracy_is(images, least, groups):
    generator = np.random.default_rng(groups)
    easy = np.linspace(-3, 4, 40)
    true = _map(generator, easy, 4_000)  # of many images, by how easy the group is

    def drawn(*shape):
        return 1 + 0.45 * generator.normal(size=shape)

    judged = _map(generator, drawn(400, groups), images)
    low, high, lowest, highest = bounds(judged * images, np.full(groups, images), level=0.95)
    mean, another = np.interp(drawn(100_000), easy, true).mean(), np.interp(drawn(400), easy, true)
    assert np.mean((low <= mean) & (mean <= high)) > 0.9
    assert least < np.mean((lowest <= another) & (another <= highest)) < 1


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
    assert expect(np.array([5, 900, 0, 8]), np.array([10, 1_000, 50, 10])).mean == pytest.approx((0.5 + 0.9 + 0.8) / 4)


def test_few_groups_give_no_interval():
    count = np.full(FEWEST_GROUPS - 1, 10)
    found = expect(count - 1, count)
    assert found.mean == pytest.approx(0.9)
    assert found.interval is None
    assert found.new_group_range is None


def test_groups_without_a_mistake_are_not_known_for_certain():
    found = expect(np.full(6, 20), np.full(6, 20))
    assert found.mean == 1
    assert 0.8 < found.interval[0] < 0.97
    assert found.interval[1] == found.mean == 1


def test_a_wider_level_is_wider():
    right, count = np.array([6, 7, 9, 8, 10]), np.full(5, 10)
    wide, narrow = (expect(right, count, level=level).interval for level in (0.95, 0.8))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
