"""What is held out of images with several labels: by the hash, at least one of each class, and it stays."""

import itertools

import numpy as np
import pytest

from ftdata.errors import UserError
from ftdata.sources.label_holdout import held_out
from ftdata.sources.weighting import class_weights
from tests.unit.ftdata.sources.test_holdout import group_places, places_of


def drawn(count, classes, *, seed=0):
    """Labels of which the last class is rare, and some images with none."""
    rates = np.geomspace(0.5, 0.02, classes)
    return (np.random.default_rng(seed).random((count, classes)) < rates).astype(np.float32)


def test_each_class_is_on_both_sides_and_the_share_is_that_of_the_hash():
    labels, places = drawn(400, 6), places_of(range(400))
    chosen = held_out(labels, places, fraction=0.15)
    assert abs(chosen.mean() - 0.15) < 0.06
    assert (labels[chosen].sum(axis=0) > 0).all()
    assert (labels[~chosen].sum(axis=0) > 0).all()
    np.testing.assert_array_less((chosen != (places < 0.15)).sum(), 7)  # a class at most moves one


def test_rare_classes_have_an_image_on_either_side():
    labels = np.zeros((50, 3), np.float32)
    labels[:, 0], labels[[3, 4], 1], labels[7, 2] = 1, 1, 1
    for seed in range(50):
        chosen = held_out(labels, places_of(range(50), seed=seed), fraction=0.1)
        assert chosen[[3, 4]].sum() == 1
        assert not chosen[7]


def test_where_any_split_has_each_class_on_both_sides_so_has_this_one():
    """Against all splits of small sets, in which correcting one class takes the image of another."""
    generator, solved, possible = np.random.default_rng(1), 0, 0
    for _ in range(80):
        count = int(generator.integers(6, 12))
        labels = (generator.random((count, 5)) < generator.uniform(0.1, 0.5)).astype(np.float32)
        splits = np.array(list(itertools.product([False, True], repeat=count)))
        there = labels.sum(axis=0)
        held, trained = splits @ labels, ~splits @ labels
        good = ((trained > 0) | (there == 0)) & ((held > 0) | (there < 2))
        chosen = held_out(labels, generator.random(count), fraction=0.15)
        here = int(chosen @ (1 << np.arange(count)[::-1]))
        possible += good.all(axis=1).any()
        solved += good[here].all()
        assert (trained[here] > 0)[there > 0].all()  # at worst a class is held out nowhere
    assert possible > 50
    assert solved >= 0.97 * possible


def test_no_image_changes_sides_when_others_come():
    labels, places = (np.random.default_rng(0).random((900, 4)) < 0.4).astype(np.float32), places_of(range(900))
    for before in (300, 600):
        first = held_out(labels[:before], places[:before], fraction=0.15)
        np.testing.assert_array_equal(held_out(labels, places, fraction=0.15)[:before], first)


def test_groups_stay_whole_and_the_share_is_close():
    labels, groups = drawn(600, 4), np.arange(600) // 10
    chosen = held_out(labels, group_places(groups), fraction=0.2, grouped=True)
    assert all(len(set(chosen[groups == group])) == 1 for group in range(60))
    shares = [chosen[labels[:, k] > 0].mean() for k in range(4)]
    assert abs(chosen.mean() - 0.2) < 0.05
    assert all(0.1 < share < 0.3 for share in shares[:3])
    assert 0 < shares[3] < 1


def test_groups_that_leave_a_class_nothing_are_refused():
    labels = np.zeros((20, 2), np.float32)
    labels[:, 0], labels[:5, 1] = 1, 1
    with pytest.raises(UserError, match=r"^group_pattern leaves class b without a (training|held-out) image"):
        held_out(labels, group_places(np.arange(20) // 5), fraction=0.2, grouped=True, class_names=("a", "b"))


def test_positive_weights():
    labels = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 1]], np.float32)
    np.testing.assert_array_equal(class_weights(labels, "abc", "balanced"), np.float32([3, 3, 1]), strict=True)
    np.testing.assert_array_equal(class_weights(labels, "abc", {"b": 4.0}), np.float32([1, 4, 1]), strict=True)
