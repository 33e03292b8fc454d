"""Thresholds of classes on literal scores."""

import numpy as np
import pytest

from ftdata.errors import UserError
from trainers.evaluation.scores import Evaluation
from trainers.evaluation.thresholds import Thresholds, in_words


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
        ("recall", 1.0, None),  # one of the five is taken for the other class
    ],
)
def test_the_threshold_of_a_class(target, wanted, expected):
    chosen = Thresholds.choose(_SCORED, target=target, wanted=wanted).values[1]
    assert chosen == (None if expected is None else pytest.approx(expected))


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
    reached = [row for row in found["by_class"].values() if row["threshold"] is not None]
    assert len(reached) >= 3
    assert all(row[target] >= 0.75 for row in reached)
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
    lines = in_words(found, found, images=4)
    assert "precision of 0.9 in each class, chosen on 4 images" in lines[0]
    assert "50.0% of the answers" in lines[0]
    assert [line.split()[:2] for line in lines[2:]] == [["no", "0.000"], ["yes", "out"]]
    assert len({len(line) for line in lines[1:]}) == 1
    with pytest.raises(UserError, match="no class reaches a precision of 0.9"):
        Thresholds("precision", 0.9, (None, None)).check(["no", "yes"])
