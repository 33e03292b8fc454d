"""Which trial is best, and how optimistic it is to say so."""

import dataclasses

import numpy as np
import pytest

from trainers.search.result import Result, optimism, ranked


def _result(name, *scores, folds=None):
    parts = {f"g{number}": score for number, score in enumerate(scores)}
    return Result(name, parts, folds or len(scores), {}, 1.0)


def test_ranked_by_the_parts_that_all_have():
    many, few = _result("many", 0.9, 0.8, 0.1), _result("few", 0.7, 0.9)
    assert [result.name for result in ranked([many, few])] == ["many", "few"]  # 0.85 against 0.8 on g0 and g1
    assert [result.name for result in ranked([_result("first", 0.5), _result("second", 0.5)])] == ["first", "second"]
    assert ranked([]) == []


def test_optimism_of_what_has_left_out_more_than_the_others():
    results = [_result("a", 1.0, 0.6, 0.5, 0.0), _result("b", 0.6, 0.7, 0.7)]
    assert optimism(results) == pytest.approx(0.7 - np.mean([0.6, 0.6, 0.5]))  # by the three that both have


def test_no_optimism_where_one_is_best_everywhere():
    assert optimism([_result("good", 0.9, 0.8, 0.9), _result("bad", 0.5, 0.4, 0.5)]) == pytest.approx(0.0)


def test_optimism_by_hand():
    # the mean of a is best (0.7); without g0 b is (0.7 against 0.55), and it has 0.6 there
    results = [_result("a", 1.0, 0.6, 0.5), _result("b", 0.6, 0.7, 0.7)]
    # left out: g0 -> b: 0.6; g1 -> a (0.75 against 0.65): 0.6; g2 -> a (0.8 against 0.65): 0.5
    assert optimism(results) == pytest.approx(0.7 - np.mean([0.6, 0.6, 0.5]))


def test_optimism_needs_a_choice_and_judges():
    assert optimism([_result("alone", 0.5, 0.6, 0.7)]) is None
    assert optimism([_result("a", 0.5, 0.6), _result("b", 0.5, 0.7)]) is None


@pytest.mark.parametrize("epochs", [1, 6])
def test_optimism_is_about_what_choosing_costs(epochs):
    """Of recipes and epochs that are all alike, the best looks better by about what optimism says."""
    generator = np.random.default_rng(0)
    said, true = [], []
    for _ in range(1_000):
        drawn = 0.7 + 0.05 * generator.standard_normal((5, epochs, 8))  # 5 recipes whose truth is 0.7, 8 groups
        results = []
        for number, rows in enumerate(drawn):
            best = _result(str(number), *rows[rows.mean(axis=1).argmax()])
            each = {str(epoch): _result("", *row).scores for epoch, row in enumerate(rows)}
            results.append(dataclasses.replace(best, candidates=each))
        said.append(optimism(results))
        true.append(drawn.mean(axis=2).max() - 0.7)
    assert np.mean(said) == pytest.approx(np.mean(true), abs=0.01)
