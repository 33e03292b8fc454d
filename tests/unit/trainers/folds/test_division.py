"""Which images are left out together."""

import numpy as np
import pytest

from ftdata.errors import UserError
from trainers.folds import division

_CLASSES = ("fork", "knife", "spoon")


def _crossed(groups, images=2):
    """Every class in every group."""
    labels, of_image = np.divmod(np.repeat(np.arange(3 * groups), images), groups)
    return labels, of_image, [f"table {k:02}" for k in range(groups)]


def test_each_group_is_left_out_by_itself():
    labels, groups, names = _crossed(6)
    folds = division.by_groups(labels, groups, names, class_names=_CLASSES)
    assert [fold.name for fold in folds] == names
    for place, fold in enumerate(folds):
        assert np.array_equal(fold.left_out, groups == place)


def test_many_groups_are_left_out_several_at_a_time_and_each_once():
    labels, groups, names = _crossed(70)
    folds = division.by_groups(labels, groups, names, class_names=_CLASSES)
    assert len(folds) == 30
    assert np.array_equal(sum(fold.left_out.astype(int) for fold in folds), np.ones(len(labels)))
    assert sorted(name for fold in folds for name in fold.groups) == names
    for fold in folds:
        assert not set(groups[fold.left_out]) & set(groups[~fold.left_out])


def test_groups_of_one_class_are_left_out_several_at_a_time():
    labels = np.repeat(np.arange(3), 40)
    groups = np.arange(120) // 10  # four patients a class
    folds = division.by_groups(labels, groups, [str(k) for k in range(12)], class_names=_CLASSES)
    assert len(folds) == 4
    for fold in folds:
        assert set(labels[fold.left_out]) == {0, 1, 2}
        assert set(labels[~fold.left_out]) == {0, 1, 2}


def test_as_many_folds_as_are_asked_for():
    labels, groups, names = _crossed(6)
    folds = division.by_groups(labels, groups, names, class_names=_CLASSES, folds=3)
    assert [len(fold.groups) for fold in folds] == [2, 2, 2]
    with pytest.raises(UserError, match="folds must be up to the number of groups, 6, got 7"):
        division.by_groups(labels, groups, names, class_names=_CLASSES, folds=7)


def test_a_class_in_one_group_is_refused_by_name():
    labels, groups, names = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 1, 1]), ["a", "b"]
    with pytest.raises(UserError, match="spoon: all images are in one group"):
        division.by_groups(labels, groups, names, class_names=_CLASSES)


def test_random_folds_have_the_classes_shares():
    labels = np.repeat(np.arange(3), (50, 20, 10))
    folds = division.at_random(labels)
    assert len(folds) == 5
    for fold in folds:
        assert np.bincount(labels[fold.left_out]).tolist() == [10, 4, 2]
    assert len(division.at_random(np.array([0, 0, 1, 1, 1]))) == 2
    with pytest.raises(UserError, match="a class with a single image"):
        division.at_random(np.array([0, 0, 1]))
