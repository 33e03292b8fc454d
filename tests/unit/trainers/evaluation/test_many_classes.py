"""Of more than a thousand classes nothing is written or held for each pair of them, and the numbers stay the same."""

import csv
import json

import numpy as np
import pytest

from trainers.evaluation import reports, thresholds
from trainers.evaluation.calibration import fit_temperature, reliability
from trainers.evaluation.confusion import Confusion
from trainers.evaluation.scores import Evaluation, assemble, average_precision
from trainers.evaluation.thresholds import Thresholds

_CLASSES, _IMAGES = 1_500, 3_000


@pytest.fixture(scope="module")
def logits():
    generator = np.random.default_rng(0)
    found = generator.normal(size=(_IMAGES, _CLASSES)).astype(np.float32)
    found[np.arange(_IMAGES), np.arange(_IMAGES) % _CLASSES] += generator.normal(3, 2, _IMAGES).astype(np.float32)
    found[7] = found[7].round()  # of which several are equal
    return found


@pytest.fixture(scope="module")
def labels():
    return (np.arange(_IMAGES) % _CLASSES).astype(np.int32)


@pytest.fixture(scope="module")
def whole(logits, labels):
    return Evaluation(logits.astype(np.float64), labels)


@pytest.fixture(scope="module")
def scored(logits, labels):
    order = np.random.default_rng(1).permutation(_IMAGES)
    return assemble([(part, logits[part]) for part in np.array_split(order, 7)], labels)


def test_scores_are_kept_as_the_network_gave_them_and_every_number_is_that_of_the_whole_matrix(scored, whole):
    assert scored.logits.dtype == np.float32
    for name in ("loss", "accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "top5_accuracy"):
        assert getattr(scored, name) == getattr(whole, name), name
    for name in ("log_likelihoods", "predicted", "confidence", "probabilities"):
        np.testing.assert_array_equal(getattr(scored, name), getattr(whole, name), err_msg=name)
    np.testing.assert_array_equal(whole.predicted, whole.probabilities.argmax(axis=1))
    for one, other in zip(scored.by_class([3, 700]), whole.by_class([3, 700]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_temperature_is_the_same_and_holds_for_all_that_follows(scored, whole):
    assert fit_temperature(scored) == fit_temperature(whole)
    warm, expected = scored.with_temperature(1.7), whole.with_temperature(1.7)
    assert warm.loss == expected.loss
    assert warm.logits is scored.logits
    np.testing.assert_array_equal(warm.probabilities_of(np.array([5, 2])), expected.probabilities[[5, 2]])
    for name in ("confidence", "accuracy", "count"):
        np.testing.assert_array_equal(getattr(reliability(warm), name), getattr(reliability(expected), name))


def test_average_precision_is_that_of_scikit_learn(scored, whole):
    from sklearn import metrics

    found = average_precision(scored)
    for k in (0, 7, 999, 1_499):
        assert found[k] == pytest.approx(metrics.average_precision_score(whole.shows(k), whole.probabilities[:, k]))


def test_the_confusion_is_that_of_scikit_learn_and_comes_back_from_metrics_json(scored, whole):
    from sklearn import metrics

    matrix = metrics.confusion_matrix(whole.labels, whole.predicted, labels=np.arange(_CLASSES))
    written = {"class_names": [str(k) for k in range(_CLASSES)], **scored.confusion.recorded()}
    assert written["confusion_matrix"] is None
    assert len(written["confusion_cells"]) <= _IMAGES
    read = Confusion.of_metrics(json.loads(json.dumps(written)))
    for found in (scored.confusion, read):
        np.testing.assert_array_equal(found.among(np.arange(_CLASSES)), matrix)
        np.testing.assert_array_equal(found.support, matrix.sum(axis=1))
        np.testing.assert_array_equal(found.answers, matrix.sum(axis=0))
        np.testing.assert_array_equal(found.right, matrix.diagonal())
    true, guess, count = scored.confusion.pairs(limit=1)[0]
    np.fill_diagonal(matrix, 0)
    assert count == matrix.max() == matrix[true, guess]


def test_of_a_thousand_classes_the_matrix_is_in_metrics_json_as_ever():
    found = Confusion.of(np.array([0, 999, 999]), np.array([0, 0, 999]), 1_000).recorded()
    assert list(found) == ["confusion_matrix"]
    assert found["confusion_matrix"][999][0] == found["confusion_matrix"][999][999] == 1
    assert np.sum(found["confusion_matrix"]) == 3


def test_predictions_csv_has_the_five_most_probable_classes(scored, whole, tmp_path):
    names = [f"class {k}" for k in range(_CLASSES)]
    reports.write_predictions(tmp_path / "p.csv", scored, names=[f"{k}.jpg" for k in range(_IMAGES)], class_names=names)
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    further = [f"{what}_{k}" for k in range(1, 6) for what in ("class", "probability")]
    assert list(rows[0]) == ["file", "true", "predicted", *further]
    for place in (0, 7, _IMAGES - 1):
        best = np.argsort(-whole.probabilities[place], kind="stable")[:5]
        assert [rows[place][f"class_{k}"] for k in range(1, 6)] == [names[k] for k in best]
        assert rows[place]["predicted"] == names[best[0]]
        assert float(rows[place]["probability_5"]) == pytest.approx(whole.probabilities[place, best[4]], abs=1e-6)


def test_thresholds_are_the_same_and_a_screenful_is_printed(scored, whole):
    names = [f"class {k}" for k in range(_CLASSES)]
    chosen = Thresholds.choose(scored, target="precision", wanted=0.9)
    assert chosen == Thresholds.choose(whole, target="precision", wanted=0.9)
    found = chosen.metrics(scored, names)
    accepted = chosen.accepted(whole.probabilities)
    for k in (0, 7, 1_499):
        taken = accepted & (whole.predicted == k)
        assert found["by_class"][names[k]]["accepted"] == taken.sum()
        assert found["by_class"][names[k]]["recall"] == (taken & whole.shows(k)).sum() / whole.shows(k).sum()
    lines = thresholds.in_words({**found, "images": _IMAGES}, found)
    assert len(lines) == 2 + 30 + 1
    assert lines[-1] == "the 30 of 1,500 classes with the least precision when held out; metrics.json has all"
