"""Metrics from literal probabilities."""

import csv

import numpy as np
import pytest

from trainers import evaluate
from trainers.evaluate import Evaluation

_NAMES = ("fork", "knife", "spoon")
# true 0 0 1 2, predicted 0 1 1 0
_SCORED = Evaluation(
    np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.5, 0.25, 0.25]]), np.array([0, 0, 1, 2])
)


def test_accuracy_loss_and_confusion_matrix():
    assert _SCORED.accuracy == 0.5
    assert _SCORED.loss == pytest.approx(-np.mean(np.log([0.8, 0.3, 0.5, 0.25])))
    assert evaluate.confusion_matrix(_SCORED).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_per_class():
    expected = {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1.0}
    assert evaluate.per_class(_SCORED, _NAMES)["knife"] == expected
    assert evaluate.per_class(_SCORED, _NAMES)["spoon"]["precision"] == 0.0  # never predicted: no warning, no NaN


def test_report_names_every_class():
    text = evaluate.report(_SCORED, _NAMES)
    assert all(text.count(name) >= 3 for name in _NAMES)  # report, row and column of the matrix


def test_report_lists_the_most_confused_pairs_and_the_interval():
    text = evaluate.report(_SCORED, _NAMES)
    assert "most confused\n  fork taken for knife: 1\n  spoon taken for fork: 1\n" in text
    assert "accuracy 50.00%, 95 % interval 15.00% to 85.00% (Wilson)" in text


def test_wilson_interval():
    # 8 of 10 right: the values of Brown, Cai and DasGupta's formula, by hand
    assert evaluate.wilson_interval(8, 10) == pytest.approx((0.4901625, 0.9433178))
    assert evaluate.wilson_interval(10, 10)[1] == pytest.approx(1.0)
    assert evaluate.wilson_interval(0, 10)[0] == pytest.approx(0.0)


def test_predictions_table(tmp_path):
    evaluate.write_predictions(
        tmp_path / "p.csv", _SCORED, names=["a.jpg", "b,c.jpg", "d.jpg", "e.jpg"], class_names=_NAMES
    )
    with (tmp_path / "p.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows[1] == {
        **{"file": "b,c.jpg", "true": "fork", "predicted": "knife"},
        **{"fork": "0.300000", "knife": "0.600000", "spoon": "0.100000"},
    }


def _step(batch):
    return batch, np.eye(3)[batch % 3]


def test_probabilities_are_put_back_in_order():
    scored = evaluate.evaluate(_step, [np.array([2, 0]), np.array([1])], np.array([0, 1, 2]))
    assert scored.predicted.tolist() == [0, 1, 2]
    np.testing.assert_allclose(scored.probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("batches", [[np.array([0, 1])], [np.array([0, 1]), np.array([1, 2])], []])
def test_a_picture_left_out_or_counted_twice_is_an_error(batches):
    with pytest.raises(RuntimeError, match="not evaluated exactly once"):
        evaluate.evaluate(_step, batches, np.array([0, 1, 2]))
