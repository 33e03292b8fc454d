"""The temperature of each of several labels, how far probabilities are off, and thresholds that move along."""

import json

import numpy as np
import pytest
from scipy import special
from sklearn.calibration import calibration_curve

from trainers.evaluation import calibration, label_temperatures
from trainers.evaluation.label_scores import LabelEvaluation
from trainers.evaluation.scores import Evaluation

_NAMES = ("too sure", "calibrated", "unsure")
_FACTORS = np.array([3.0, 1.0, 0.4])


def drawn(count, *, seed=0):
    """Labels drawn from true logits, and what a model says whose logits are those times a factor."""
    generator = np.random.default_rng(seed)
    true = generator.normal(-0.5, 1.5, (count, 3))
    return LabelEvaluation(true * _FACTORS, (generator.random((count, 3)) < special.expit(true)).astype(np.float32))


def test_each_class_gets_the_temperature_that_undoes_its_factor():
    found = label_temperatures.fit(drawn(3000))
    np.testing.assert_allclose(found, [3.0, 1.0, 0.4], rtol=0.12)
    assert found[1] == 1.0  # too little evidence for another


def test_it_is_that_of_two_classes():
    scored = drawn(400)
    for k, found in enumerate(label_temperatures.fit(scored)):
        two = np.column_stack([np.zeros(400), scored.logits[:, k]])  # a softmax over 0 and z is the sigmoid of z
        expected = calibration.fit_temperature(Evaluation(two, scored.labels[:, k].astype(np.int32))).value
        assert found == pytest.approx(expected, rel=1e-6)


def test_few_images_are_no_evidence():
    np.testing.assert_array_equal(label_temperatures.fit(drawn(8)), 1.0)


def test_the_error_is_that_of_scikit_learn_s_curves():
    scored = drawn(500)
    gaps = []
    for k in range(3):
        p, truth = scored.probabilities[:, k], scored.truth[:, k]
        share, mean = calibration_curve(truth, p, n_bins=15)
        inside = np.histogram(p, np.linspace(0, 1, 16))[0]
        gaps.append(np.sum(inside[inside > 0] / 500 * np.abs(share - mean)))
    assert label_temperatures.calibration_error(scored) == pytest.approx(np.mean(gaps), abs=1e-12)
    errors = label_temperatures.errors(scored, _FACTORS)
    assert errors["calibrated_label_calibration_error"] < 0.7 * errors["label_calibration_error"]


def test_with_temperatures_and_moved_thresholds_the_labels_are_the_same():
    thresholds = np.float32([0.03, 0.5, 0.88])
    scored = drawn(800).with_thresholds(thresholds)
    np.testing.assert_array_equal(scored.with_temperature(_FACTORS).predicted, scored.predicted)
    moved = label_temperatures.thresholds_at(thresholds, _FACTORS)
    probabilities = special.expit(scored.logits / _FACTORS).astype(np.float32)
    np.testing.assert_array_equal(probabilities >= moved, scored.predicted)
    assert moved[1] == 0.5


def test_what_is_recorded_is_read_again():
    found = json.loads(json.dumps(label_temperatures.recorded(drawn(3000), _NAMES, chosen_on="folds")))
    values = label_temperatures.of_metrics(found, _NAMES)
    np.testing.assert_array_equal(values, label_temperatures.fit(drawn(3000)))
    stored = found["label_temperatures"]
    assert (stored["chosen_on"], stored["images"]) == ("folds", 3000)
    said = label_temperatures.in_words(stored)
    span = " to ".join(f"{value:.1f}" if value >= 2 else f"{value:.2f}" for value in (values.min(), values.max()))
    assert said == f"temperature {span} for 2 classes, 1 for the other 1, fitted on 3,000 held-out images"
    np.testing.assert_array_equal(label_temperatures.of_metrics({}, _NAMES), 1.0)
    nothing = label_temperatures.recorded(None, _NAMES, chosen_on="validation")["label_temperatures"]
    assert label_temperatures.in_words(nothing).startswith("temperature 1 for every class: no image")
