"""Thresholds of classes on literal scores."""

import numpy as np
import pytest

from trainers.evaluation.scores import Evaluation
from trainers.evaluation.thresholds import Thresholds, in_words, reached


def _evaluation(probabilities, labels):
    """Of two classes, by the probability of the second."""
    p = np.array(probabilities)
    return Evaluation(np.log(np.stack([1 - p, p], axis=1)), np.array(labels, np.int32))


# of the answers 1, falling: right, right, wrong, right, right, wrong
_SCORED = _evaluation([0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.3, 0.2, 0.1], [1, 1, 0, 1, 1, 0, 0, 0, 1])


@pytest.mark.parametrize(
    ("target", "wanted", "expected"),
    [
        ("precision", 1.0, 0.925),  # the first two
        ("precision", 0.8, 0.65),  # four of five: lower than where the third answer spoils it
        ("precision", 0.6, 0.0),  # all six
        ("precision", 0.85, 0.925),
        ("recall", 0.4, 0.925),  # two of the five images
        ("recall", 0.5, 0.75),  # three
        ("recall", 0.8, 0.65),
        ("recall", 1.0, 0.0),  # out of reach, as one of the five is taken for the other class: all are accepted
    ],
)
def test_the_threshold_of_a_class(target, wanted, expected):
    chosen = Thresholds.choose(_SCORED, target=target, wanted=wanted).values[1]
    assert chosen == pytest.approx(expected)


def test_shares_are_compared_as_they_are_meant():
    scored = _evaluation([0.9] * 450, [1] * 243 + [0] * 207)  # 0.54 * 450 is 243.00000000000003
    assert Thresholds.choose(scored, target="precision", wanted=0.54).values[1] == 0.0


@pytest.mark.parametrize("apart", [2.0**-27, 2.0**-24])  # float32 there: 2 ** -24
def test_what_a_model_gives_in_float32_is_accepted_as_chosen(apart):
    scored = _evaluation([0.75, 0.75 - apart, 0.6], [1, 0, 1])
    chosen = Thresholds.choose(scored, target="precision", wanted=1.0)
    for kind in (np.float32, np.float64):
        given = scored.probabilities.astype(kind)
        assert chosen.accepted(given)[:2].tolist() == [apart == 2.0**-24, False]


def test_equal_probabilities_are_accepted_together():
    scored = _evaluation([0.9, 0.8, 0.8, 0.8], [1, 1, 0, 0])
    assert Thresholds.choose(scored, target="precision", wanted=0.7).values[1] == pytest.approx(0.85)
    assert Thresholds.choose(scored, target="recall", wanted=1.0).values[1] == 0.0


@pytest.mark.parametrize("target", ["precision", "recall"])
def test_what_is_wanted_is_had_on_the_images_that_chose(target):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, 400)
    scored = Evaluation(generator.normal(size=(400, 5)) + 2 * np.eye(5)[labels], labels)
    chosen = Thresholds.choose(scored, target=target, wanted=0.75)
    names = list("abcde")
    found = chosen.metrics(scored, names)
    have_it = reached(found)
    assert len(have_it) >= 3
    assert all(found["by_class"][name][target] >= 0.75 for name in have_it)
    for name in set(names).difference(have_it):
        assert found["by_class"][name]["threshold"] == (None if target == "precision" else 0.0)
    assert found["accepted_fraction"] == np.mean(chosen.accepted(scored.probabilities))
    assert sum(row["accepted"] for row in found["by_class"].values()) == chosen.accepted(scored.probabilities).sum()
    assert Thresholds.of_metrics(found, names) == chosen
    assert Thresholds.of_metrics(found, [*names[:4], "other"]) is None is Thresholds.of_metrics(None, names)


def test_a_class_out_of_reach_is_never_accepted_and_shown_so():
    scored = _evaluation([0.9, 0.8, 0.4, 0.3], [0, 0, 0, 0])
    chosen = Thresholds.choose(scored, target="precision", wanted=0.9)
    assert chosen.values == (0.0, None)
    assert chosen.accepted(scored.probabilities).tolist() == [False, False, True, True]
    found = chosen.metrics(scored, ["no", "yes"])
    assert found["by_class"]["yes"] == {"threshold": None, "precision": None, "recall": None, "accepted": 0}
    lines = in_words({**found, "images": 4}, found)
    assert "precision of 0.9 in each class, chosen on 4 images" in lines[0]
    assert "50.0% of the answers" in lines[0]
    assert [line.split()[:2] for line in lines[2:]] == [["no", "0.000"], ["yes", "out"]]
    assert len({len(line) for line in lines[1:]}) == 1
    assert reached(found) == ["no"]


def test_where_a_recall_is_out_of_reach_all_answers_are_accepted_and_it_is_said():
    scored = _evaluation([0.9, 0.2, 0.3, 0.1], [1, 1, 0, 0])
    chosen = Thresholds.choose(scored, target="recall", wanted=0.9)
    found = chosen.metrics(scored, ["no", "yes"])
    assert found["by_class"]["yes"] == {"threshold": 0.0, "precision": 1.0, "recall": 0.5, "accepted": 1}
    assert reached(found) == ["no"]
    assert in_words({**found, "images": 4}, found)[-1].endswith("out of reach: all are accepted")
