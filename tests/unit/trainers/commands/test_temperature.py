"""A fitted temperature against the loss that other images can be expected to have, by simulation.

Images have true logits; the model's are those times a factor: 1 is calibrated, above is too sure, below too unsure.
Labels are drawn from the true probabilities, and the loss expected on other images is computed from them, not drawn.
"""

import numpy as np
import pytest
from scipy import special

from trainers.evaluation import calibration
from trainers.evaluation.scores import Evaluation

_TOLERATED = 0.005  # nats: what a calibrated model loses by the draws in which chance looks like evidence


class _World:
    """Images of `classes` classes that a perfect model is as sure of as `sharpness` says."""

    def __init__(self, classes, sharpness, factor, *, count, seed):
        self.generator = np.random.default_rng(seed)
        true = self.generator.normal(size=(count, classes)) * sharpness
        self.probabilities, self.logits = special.softmax(true, axis=1), true * factor

    def expected_loss(self, temperature):
        logs = special.log_softmax(self.logits / temperature, axis=1)
        return -np.mean(np.sum(self.probabilities * logs, axis=1))

    def sample(self, count):
        chosen = self.generator.choice(len(self.logits), count, replace=False)
        draws = self.generator.random((count, 1))
        labels = np.minimum(
            (np.cumsum(self.probabilities[chosen], axis=1) < draws).sum(axis=1), self.logits.shape[1] - 1
        )
        return Evaluation(self.logits[chosen], labels)

    def fits(self, count, draws):
        return np.array([calibration.fit_temperature(self.sample(count)).value for _ in range(draws)])


def _check(classes, sharpness, factor, *, counts, draws, population, seed=0):
    """Rows of (count, mean change of the expected loss, share of the possible gain, share of fits at 1)."""
    world = _World(classes, sharpness, factor, count=population, seed=seed)
    before = world.expected_loss(1.0)
    possible = before - world.expected_loss(factor)
    rows = []
    for count in counts:
        values = world.fits(count, draws)
        changes = np.array([world.expected_loss(value) - before for value in values])
        error = changes.std() / np.sqrt(draws)
        assert changes.mean() - 2 * error <= _TOLERATED, (classes, sharpness, factor, count, changes.mean())
        assert values.min() > 0.06, "not at a bound"
        assert values.max() < 19, "not at a bound"
        share = -changes.mean() / possible if possible > 0.02 else np.nan
        rows.append((count, changes.mean(), share, np.mean(values == 1.0)))
    return rows


@pytest.mark.parametrize(("factor", "least_gain"), [(1.0, None), (3.0, 0.8), (1 / 3, 0.5)])
def test_a_temperature_never_costs_and_pays_once_there_is_evidence(factor, least_gain):
    few, many = _check(3, 3.0, factor, counts=(9, 100), draws=60, population=3000)
    if least_gain is None:
        assert few[3] >= 0.95
        assert many[3] >= 0.9
    else:
        assert many[2] >= least_gain


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3, 10, 100])
@pytest.mark.parametrize("factor", [1.0, 1.3, 2.0, 4.0, 1 / 1.3, 0.5, 0.25])
def test_over_all_sizes_classes_and_kinds_of_models(classes, factor):
    for sharpness in (1.0, 3.0, 6.0) if classes < 100 else (2.0, 4.0, 7.0):
        rows = _check(classes, sharpness, factor, counts=(9, 30, 100, 1000), draws=60, population=6000)
        for count, change, share, at_one in rows:
            print(f"{classes:>4} classes  sharpness {sharpness:g}  factor {factor:.2f}  {count:>5} images  "
                  f"{change:+.4f} nats, {share:.0%} of the gain, {at_one:.0%} at 1")  # fmt: skip
        if factor == 1.0:
            assert min(row[3] for row in rows) >= 0.9
        elif not np.isnan(rows[-1][2]):
            assert rows[-1][2] >= 0.9


def test_no_mistake_among_few_images_is_no_evidence():
    # nine images, all right, each called 92 % sure: without a prior the temperature runs to its bound and says 1 - 1e-9
    nine = Evaluation(np.tile([np.log(0.92 / 0.04), 0.0, 0.0], (9, 1)), np.zeros(9, int))
    found = calibration.fit_temperature(nine)
    assert (found.value, found.images) == (1.0, 9)
    assert found.in_words == "temperature 1: the 9 held-out images are too little evidence for another"
    many = Evaluation(np.tile([np.log(0.92 / 0.04), 0.0, 0.0], (300, 1)), np.zeros(300, int))
    colder = calibration.fit_temperature(many)  # 300 of 300 right is evidence that 92 % is too low
    assert 0.3 < colder.value < 0.8
    assert colder.in_words == f"temperature {colder.value:.2f}, fitted on 300 held-out images"


def test_probabilities_that_underflow_keep_their_logits():
    # a mistake by 2,000 nats: as a probability the right class has 0
    logits = np.array([[2000.0, 0.0]] * 20 + [[0.0, 2000.0]] * 20)
    labels = np.array([0] * 19 + [1] + [1] * 19 + [0])
    evaluation = Evaluation(logits, labels)
    assert evaluation.loss == pytest.approx(2 * 2000 / 40)
    halved = evaluation.with_temperature(1000.0)
    np.testing.assert_allclose(halved.probabilities[0], [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))])
