"""The learning rate that a loss curve suggests, where the right one is known."""

import numpy as np
import pytest

from trainers.training import range_test
from trainers.training.loss_curve import LossCurve

_STEPS = 100
_RATES = np.array([range_test.rate_of(step, steps=_STEPS) for step in range(_STEPS)])


def _descent(curvature, *, noise=0.0):
    """Noisy gradient descent on curvature / 2 * w^2 from a loss of 1, with `noise` in each loss, whatever the rate."""
    generator = np.random.default_rng(0)
    w, losses = np.sqrt(2 / curvature), []
    for rate in _RATES:
        losses.append(min(curvature / 2 * w**2, 1e6))
        w -= rate * (curvature * w + 0.3 * np.sqrt(curvature) * generator.standard_normal())
    drawn = noise * generator.standard_normal(_STEPS)
    return LossCurve(_RATES, np.array(losses) + drawn, 1.0 + drawn, False)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("curvature", [2.0, 10.0, 1000.0])
def test_on_a_parabola_the_suggestion_is_between_flat_and_divergence(curvature, noise):
    """Above 2 / curvature every step goes up; a hundredth of that leaves 0.98^2 of the loss after a step."""
    curve = _descent(curvature, noise=noise)
    assert curve.diverges_at > 2 / curvature
    for rule in ("divergence", "lowest", "steepest"):
        assert 0.02 / curvature < curve.rules[rule] < 2 / curvature
    assert curve.best_rule in ("divergence", "lowest")


def test_what_is_due_to_the_images_does_not_count():
    quiet, noisy = _descent(10.0), _descent(10.0, noise=0.3)
    assert np.std(noisy.losses[:40]) > 0.2
    assert noisy.smoothed - noisy.start == pytest.approx(quiet.smoothed - quiet.start, abs=0.02)
    assert noisy.rules == pytest.approx(quiet.rules, rel=0.25)


def test_the_smoothed_loss_does_not_lag_and_is_not_drawn_to_zero_at_its_ends():
    rates = _RATES[:41]
    bent = LossCurve(rates, 2.0 - np.abs(np.arange(41) - 20) / 40, np.full(41, 2.0), False)
    assert bent.smoothed.argmax() == 20
    assert bent.smoothed == pytest.approx(bent.smoothed[::-1])
    level = LossCurve(rates, np.full(41, 1.5), np.full(41, 2.0), False)
    assert level.smoothed == pytest.approx(np.full(41, 1.5))


def test_a_loss_that_never_moves_suggests_nothing():
    wavering = 1 + 0.3 * np.random.default_rng(0).standard_normal(_STEPS)
    curve = LossCurve(_RATES, wavering, wavering, False)
    assert (curve.rules, curve.best_rule) == ({}, None)


def test_a_loss_that_only_rises_suggests_a_tenth_of_where_it_diverges():
    losses = np.where(_RATES < 1e-3, 0.8, 5.0)
    curve = LossCurve(_RATES, losses, np.full(_STEPS, 0.8), True)
    assert curve.lowest_at is None
    assert (list(curve.rules), curve.best_rule) == (["divergence"], "divergence")
    assert 0.9e-4 < curve.rules["divergence"] < 1.2e-4


def test_the_suggestion_is_not_beyond_the_lowest_loss():
    decades = np.log10(_RATES / 1e-3)
    curve = LossCurve(_RATES, 1 + np.where(decades < 0, 0.1, 1.5) * decades**2, np.full(_STEPS, 2.6), False)
    assert 0.3e-3 < curve.lowest_at < 1.1e-3
    assert curve.rules["divergence"] > 1.5 * curve.lowest_at
    assert (curve.best_rule, curve.rules["lowest"]) == ("lowest", pytest.approx(curve.lowest_at, rel=0.05))


def test_a_loss_that_only_falls_suggests_a_tenth_of_where_it_is_lowest():
    losses = 1 / (1 + 100 * _RATES)
    curve = LossCurve(_RATES, losses, np.ones(_STEPS), False)
    assert curve.diverges_at is None
    assert (curve.best_rule, curve.rules["minimum"]) == ("minimum", 1.0)


def test_a_test_that_ends_at_once_diverges_at_its_last_rate():
    losses = np.ones(30)
    assert LossCurve(_RATES[:30], losses, losses, True).diverges_at == _RATES[29]


def test_a_small_loss_diverges_when_it_is_no_longer_small():
    wavering = 0.01 + 0.005 * np.sin(np.arange(_STEPS))
    assert LossCurve(_RATES, wavering, np.full(_STEPS, 0.01), False).diverges_at is None
    assert LossCurve(_RATES, wavering + (_RATES > 1e-2), np.full(_STEPS, 0.01), False).diverges_at < 2e-2
