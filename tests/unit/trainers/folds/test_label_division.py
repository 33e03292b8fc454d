"""Folds of images with several labels: shares of the classes, whole groups, and what cannot be divided."""

import numpy as np
import pytest
from sklearn.model_selection import KFold

from ftdata.errors import UserError
from trainers.folds import division

_NAMES = tuple("abcdef")


def drawn(count, *, seed=0):
    """Labels that lean on each other, of half of the images down to one in fifty."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(count, 2)) @ generator.normal(size=(2, 6)) + generator.normal(size=(count, 6))
    order = np.argsort(np.argsort(-scores, axis=0), axis=0)
    return (order < np.geomspace(0.5, 0.02, 6) * count).astype(np.float32)


def _worst(labels, folds):
    """The largest distance of a class's share in a fold from an even one, in images."""
    counts = np.array([labels[left_out].sum(axis=0) for left_out in folds])
    return np.abs(counts - labels.sum(axis=0) / len(folds)).max()


@pytest.mark.parametrize("seed", range(4))
def test_every_class_is_dealt_evenly(seed):
    labels = drawn(300, seed=seed)
    folds = [fold.left_out for fold in division.of_labels(labels, class_names=_NAMES)]
    np.testing.assert_array_equal(np.sum(folds, axis=0), 1)
    assert len(folds) == 5
    assert {int(fold.sum()) for fold in folds} <= {59, 60, 61}
    by_chance = [
        np.isin(np.arange(300), places) for _, places in KFold(5, shuffle=True, random_state=seed).split(labels)
    ]
    assert _worst(labels, folds) <= 2 < 5 < _worst(labels, by_chance)


def test_the_same_images_give_the_same_folds():
    labels = drawn(100)
    first, again = (division.of_labels(labels, class_names=_NAMES, folds=3) for _ in range(2))
    assert [fold.name for fold in first] == ["1 of 3", "2 of 3", "3 of 3"]
    assert all((a.left_out == b.left_out).all() for a, b in zip(first, again, strict=True))


def test_a_class_of_two_images_is_in_two_folds_and_one_of_one_is_refused():
    labels = np.zeros((40, 2), np.float32)
    labels[:, 0], labels[[5, 6], 1] = 1, 1
    folds = division.of_labels(labels, class_names="ab")
    assert sorted(int(labels[fold.left_out, 1].sum()) for fold in folds) == [0, 0, 0, 1, 1]
    labels[6, 1] = 0
    with pytest.raises(UserError, match="^b: one image alone shows it, .*: give every class two or more images$"):
        division.of_labels(labels, class_names="ab")
    with pytest.raises(UserError, match="folds must be up to the number of images or groups, 40, got 41"):
        division.of_labels(np.ones((40, 1), np.float32), class_names="a", folds=41)


def test_groups_stay_whole():
    labels, groups = drawn(600), np.arange(600) // 10
    names = [f"{k:02}" for k in range(60)]
    for count, expected in ((None, 30), (4, 4)):
        folds = division.by_groups(labels, groups, names, class_names=_NAMES, folds=count)
        assert len(folds) == expected
        np.testing.assert_array_equal(np.sum([fold.left_out for fold in folds], axis=0), 1)
        for fold in folds:
            assert set(groups[fold.left_out]) == {int(name) for name in fold.groups}
            assert (labels[~fold.left_out].sum(axis=0) > 0).all()
    assert _worst(labels, [fold.left_out for fold in folds]) < 15  # of 150 in a fold


def test_few_groups_are_folds_of_their_own_and_a_class_of_one_group_is_refused():
    labels, groups = np.tile(np.eye(3, dtype=np.float32), (8, 1)), np.repeat([0, 1, 2], 8)
    folds = division.by_groups(labels, groups, ["x", "y", "z"], class_names="abc")
    assert [fold.name for fold in folds] == ["x", "y", "z"]
    labels[8:, 2] = 0
    with pytest.raises(UserError, match="^c: one group alone shows it, .*--group_pattern$"):
        division.by_groups(labels, groups, ["x", "y", "z"], class_names="abc")
