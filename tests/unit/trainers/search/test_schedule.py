"""How many trials fit into the time, and the levels of halving."""

import dataclasses
import itertools

import pytest

from trainers.search import schedule
from trainers.search.schedule import Effort, Speed

_SPEED = Speed(images=1000, folds=6, test_images=100, forward_s=0.001, step_s=0.004, setup_s=10.0)
_EFFORT = Effort(epochs=2, views=2, judged=2)


@pytest.mark.parametrize(
    ("trials", "folds", "levels"),
    [
        (1, 6, [(1, 6)]),
        (2, 6, [(2, 6)]),
        (3, 6, [(3, 3), (2, 6)]),
        (4, 6, [(4, 3), (2, 6)]),
        (8, 6, [(8, 2), (4, 4), (2, 6)]),
        (8, 3, [(8, 1), (4, 2), (2, 3)]),
        (16, 2, [(16, 1), (2, 2)]),
    ],
)
def test_levels(trials, folds, levels):
    assert schedule.levels(trials, folds) == levels


@pytest.mark.parametrize(("trials", "folds"), [*itertools.product(range(1, 20), range(2, 31))])
def test_levels_lose_trials_and_gain_folds(trials, folds):
    found = schedule.levels(trials, folds)
    assert found[0][0] == trials
    assert found[-1] == (min(trials, 2), folds)
    for (before, fewer), (after, more) in itertools.pairwise(found):
        assert before > after
        assert fewer < more


def test_what_a_fold_costs():
    # 2 epochs of 5/6 of the images, and 2 models of each epoch judged by 1/6
    assert schedule.fold_s(_SPEED, _EFFORT) == pytest.approx(10 + 2 * 1000 * 5 / 6 * 0.004 + 4 * 1000 / 6 * 0.001)


def test_two_trials_train_all_folds_and_one_model_of_all_images():
    fold, views = schedule.fold_s(_SPEED, _EFFORT), 2.0
    least = 2 * (6 * fold + views) + schedule.refit_s(_SPEED, _EFFORT)
    assert least < schedule.total_s([(_SPEED, _EFFORT)] * 2) < least + 20


def test_as_many_trials_as_fit():
    trials = [(_SPEED, _EFFORT)] * 8
    seconds = [schedule.total_s(trials[:count]) for count in range(1, 9)]
    assert seconds == sorted(seconds)
    assert schedule.count(trials, left_s=1) == 0
    for count, needed in enumerate(seconds, start=1):
        assert schedule.count(trials, left_s=needed / schedule.affordable(1) + 1e-6) == count
    assert schedule.count([], left_s=1e9) == 0


def test_the_costliest_may_survive():
    slow = (dataclasses.replace(_SPEED, step_s=0.04), _EFFORT)
    cheap = [(_SPEED, _EFFORT)] * 3
    alone = 6 * schedule.fold_s(*slow) + schedule.refit_s(*slow)
    assert schedule.total_s([*cheap, slow]) == schedule.total_s([slow, *cheap]) > alone


def test_two_of_the_best_network_for_one_of_each_other():
    assert schedule.interleaved([["a1", "a2", "a3"], ["b1", "b2"], ["c1"]]) == ["a1", "a2", "b1", "c1", "a3", "b2"]
    assert schedule.interleaved([]) == []
