"""Calibration from literal probabilities."""

import numpy as np
import pytest

from trainers.evaluation import calibration
from trainers.evaluation.scores import Evaluation

# Four answers at 0.9, three of them right, and two at 0.6, one right.
_SCORED = Evaluation(
    np.log([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 2),
    np.array([0, 0, 0, 1, 1, 0]),
)


def test_expected_calibration_error_is_the_mean_distance_by_bin():
    assert calibration.expected_calibration_error(_SCORED) == pytest.approx((4 * 0.15 + 2 * 0.1) / 6)
    bins = calibration.reliability(_SCORED)
    assert bins.count.tolist() == [2, 4]
    np.testing.assert_allclose(bins.confidence, [0.6, 0.9])
    np.testing.assert_allclose(bins.accuracy, [0.5, 0.75])


def test_certainty_has_a_bin():
    certain = Evaluation(np.array([[1e3, 0.0], [0.0, 1e3]]), np.array([0, 1]))
    assert calibration.expected_calibration_error(certain) == 0.0


def test_temperature_divides_the_scores():
    scores = np.array([[2.0, 0.0, -1.0]])
    halved = np.exp(scores / 2) / np.exp(scores / 2).sum()
    tempered = Evaluation(scores, np.array([0])).with_temperature(2.0)
    np.testing.assert_allclose(tempered.probabilities, halved)


def test_the_fitted_temperature_undoes_one_that_was_applied():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(4000, 3)) * 2
    softmax = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(3, p=row) for row in softmax])  # so these are calibrated
    too_sure = Evaluation(scores, labels).with_temperature(1 / 3)
    assert calibration.fit_temperature(too_sure).value == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize(
    ("right", "count", "said"),
    [
        (
            60,
            100,
            "It claims 90.0% on average and is right in 60.0%: overconfident by 30.0 points, so it is right less",
        ),
        (99, 100, "right in 99.0%: underconfident by 9.0 points, so it is right more often than it says."),
        (93, 100, "right in 93.0%: neither over- nor underconfident by more than chance would give."),
        (8, 10, "right in 80.0%: neither over- nor underconfident"),
    ],
)
def test_the_direction_is_said_where_chance_does_not_explain_it(right, count, said):
    labels = np.array([0] * right + [1] * (count - right), np.int32)
    scored = Evaluation(np.log(np.full((count, 2), [0.9, 0.1])), labels)
    found = calibration.Confidence.of(scored)
    assert found.by_chance == pytest.approx(1.96 * 0.3 / count**0.5)
    assert said in found.in_words
