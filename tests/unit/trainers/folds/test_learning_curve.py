"""What more images would bring: nested parts of them, and the power law through what is found."""

import itertools

import numpy as np
import pytest

from trainers.evaluation.scores import Evaluation
from trainers.folds import learning_curve
from trainers.folds.division import Fold, at_random
from trainers.folds.groups import Groups
from trainers.folds.learning_curve import LearningCurve


def test_a_power_law_is_continued():
    counts = np.array([100.0, 200, 400, 800])
    accuracy = np.stack([1 - 2 * counts**-0.5, 1 - 3 * counts**-0.5], axis=1)
    gain, error = LearningCurve("image", counts, accuracy).gain(800)
    assert gain == pytest.approx(2.5 * (800**-0.5 - 1600**-0.5))
    assert error == pytest.approx(np.std([0, 0.5, 0.5, 1]) * (800**-0.5 - 1600**-0.5), rel=0.05)  # of two drawn twice


def test_where_more_did_not_help_more_is_expected_to_do_nothing():
    curve = LearningCurve("group", np.array([2.0, 3, 4]), np.array([[0.9, 0.8], [0.85, 0.8], [0.8, 0.8]]))
    assert curve.gain(2)[0] == 0
    assert curve.in_words(has_groups=True).startswith("2 more groups: +0.0 points (+- ")
    perfect = LearningCurve("image", np.array([25.0, 50, 100]), np.ones((3, 2)))
    assert perfect.gain(10) == (pytest.approx(0), pytest.approx(0))
    assert (
        perfect.in_words(has_groups=True)
        == "10 more images of these groups: +0.0 points (+- 0.0 by which groups judge)"
    )


@pytest.fixture
def world():
    """240 points in two classes and six groups: labels, folds, groups, and a judge by the mean of each class."""
    generator = np.random.default_rng(0)
    labels = np.tile([0, 1], 120).astype(np.int32)
    groups = Groups(np.repeat(np.arange(6), 40), tuple("abcdef"))
    points = generator.normal(0, 1, (240, 2)) + labels[:, None] + generator.normal(0, 1, (6, 2))[groups.of_image]
    folds = [Fold(name, groups.of_image == place, (name,)) for place, name in enumerate(groups.names)]
    asked = []

    def judge(learned):
        logits = np.zeros((240, 2))
        for fold in folds:
            chosen = learned(fold)
            asked.append((fold.name, chosen))
            assert not (chosen & fold.left_out).any()
            means = np.stack([points[chosen & (labels == label)].mean(axis=0) for label in (0, 1)])
            own = points[fold.left_out]
            logits[fold.left_out] = -((own[:, None] - means) ** 2).sum(axis=2)
        return Evaluation(logits, labels)

    return labels, folds, groups, judge, asked


def test_parts_are_nested_and_hold_every_class_and_whole_groups(world):
    labels, folds, groups, judge, asked = world
    known = judge(lambda fold: ~fold.left_out)
    asked.clear()
    images, of_groups = learning_curve.curves(judge, known, folds, groups, seed=0)
    assert (images.unit, of_groups.unit) == ("image", "group")
    assert images.counts.tolist() == [50, 100, 150, 200]
    assert of_groups.counts.tolist() == [2, 3, 4, 5]
    assert images.accuracy.shape == of_groups.accuracy.shape == (4, 6)
    np.testing.assert_array_equal(images.accuracy[-1], of_groups.accuracy[-1])
    by_fold = {name: [chosen for fold, chosen in asked[:18] if fold == name] for name in groups.names}
    for parts in by_fold.values():
        for smaller, larger in itertools.pairwise(parts):
            assert not (smaller & ~larger).any()
        assert [np.bincount(labels[part]).tolist() for part in parts] == [[n, n] for n in (25, 50, 75)]
    for _, chosen in asked[18:]:
        assert set(np.bincount(groups.of_image, chosen, 6)) == {0, 40}
    numbers = sorted(len(np.unique(groups.of_image[chosen])) for _, chosen in asked[18:])
    assert numbers == [2] * 18 + [3] * 18 + [4] * 18


def test_the_same_seed_gives_the_same_and_another_draws_others(world):
    _, folds, groups, judge, _ = world
    known = judge(lambda fold: ~fold.left_out)
    first, again, other = (list(learning_curve.curves(judge, known, folds, groups, seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[1].accuracy, again[1].accuracy)
    assert not np.array_equal(first[0].accuracy, other[0].accuracy)


def test_without_groups_and_where_a_group_lacks_a_class_the_images_alone_have_a_curve(world):
    labels, folds, groups, _, _ = world

    def right(labels):
        return Evaluation(np.eye(2)[labels], labels)

    (images,) = learning_curve.curves(lambda _: right(labels), right(labels), at_random(labels), None, seed=0)
    assert images.accuracy.tolist() == [[1] * 5] * 4
    lacking = np.where(groups.of_image == 0, 0, labels).astype(np.int32)
    found = learning_curve.curves(lambda _: right(lacking), right(lacking), folds, groups, seed=0)
    assert [curve.unit for curve in found] == ["image"]
