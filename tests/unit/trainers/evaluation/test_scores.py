"""Metrics from literal probabilities."""

import csv
import json
import re

import numpy as np
import pytest

from trainers.evaluation import figures, reports, scores
from trainers.evaluation.classification_report import classification_report
from trainers.evaluation.confusion import Confusion
from trainers.evaluation.scores import Evaluation
from trainers.rundir.run_dir import write_json

_NAMES = ("fork", "knife", "spoon")
# true 0 0 1 2, predicted 0 1 1 0
_SCORED = Evaluation(
    np.log([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.5, 0.25, 0.25]]), np.array([0, 0, 1, 2])
)


def test_accuracy_loss_and_confusion_matrix():
    assert _SCORED.accuracy == 0.5
    assert _SCORED.loss == pytest.approx(-np.mean(np.log([0.8, 0.3, 0.5, 0.25])))
    assert _SCORED.confusion.recorded() == {"confusion_matrix": [[1, 1, 0], [0, 1, 0], [1, 0, 0]]}


def test_the_weighted_f1_counts_a_class_as_often_as_it_has_images():
    from sklearn import metrics

    expected = metrics.f1_score(_SCORED.labels, _SCORED.predicted, average="weighted")
    assert _SCORED.f1_weighted == pytest.approx(expected)
    assert _SCORED.f1_weighted != pytest.approx(_SCORED.f1_macro)


def test_the_class_is_among_the_most_probable():
    assert [_SCORED.top_accuracy(count) for count in (1, 2, 3)] == [0.5, 0.75, 1.0]
    tied = Evaluation(np.zeros((3, 3)), np.array([0, 1, 2]))
    assert [tied.top_accuracy(count) for count in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])


@pytest.mark.parametrize(("classes", "is_there"), [(9, False), (10, True)])
def test_of_ten_classes_the_five_most_probable_are_told(classes, is_there):
    logits = np.random.default_rng(0).normal(size=(50, classes))
    scored, names = Evaluation(logits, np.arange(50) % classes), [f"class {k}" for k in range(classes)]
    found, text = reports.scores(scored, names), classification_report(scored, names)
    assert ("test_top5_accuracy" in found) is is_there
    assert ("; top-5 accuracy" in text) is is_there
    if is_there:
        assert found["test_top5_accuracy"] == np.mean(
            [k % classes in row.argsort()[-5:] for k, row in enumerate(logits)]
        )


def test_per_class():
    expected = {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1.0}
    assert scores.per_class(_SCORED, _NAMES)["knife"] == expected
    assert scores.per_class(_SCORED, _NAMES)["spoon"]["precision"] == 0.0  # never predicted: no warning, no NaN


def test_report_names_every_class():
    text = classification_report(_SCORED, _NAMES)
    assert all(text.count(name) >= 3 for name in _NAMES)  # report, row and column of the matrix


def test_report_lists_the_most_confused_pairs_and_the_interval():
    text = classification_report(_SCORED, _NAMES)
    assert "most confused\n  fork taken for knife: 1\n  spoon taken for fork: 1\n" in text
    assert "accuracy 50.00%, 95 % interval 15.00% to 85.00% (Wilson)" in text


def test_wilson_interval():
    # 8 of 10 right: the values of Brown, Cai and DasGupta's formula, by hand
    assert scores.wilson_interval(8, 10) == pytest.approx((0.49016247, 0.94331781))
    assert scores.wilson_interval(10, 10)[1] == pytest.approx(1.0)
    assert scores.wilson_interval(0, 10)[0] == pytest.approx(0.0)


def test_predictions_table(tmp_path):
    reports.write_predictions(
        tmp_path / "p.csv", _SCORED, names=["a.jpg", "b,c.jpg", "d.jpg", "e.jpg"], class_names=_NAMES
    )
    with (tmp_path / "p.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows[1] == {
        "file": "b,c.jpg",
        "true": "fork",
        "predicted": "knife",
        "fork": "0.300000",
        "knife": "0.600000",
        "spoon": "0.100000",
    }


def _step(batch):
    return batch, np.eye(3)[batch % 3]


def test_probabilities_are_put_back_in_order():
    scored = scores.evaluate_batches(_step, [np.array([2, 0]), np.array([1])], np.array([0, 1, 2]))
    assert scored.predicted.tolist() == [0, 1, 2]
    np.testing.assert_allclose(scored.probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("batches", [[np.array([0, 1])], [np.array([0, 1]), np.array([1, 2])], []])
def test_an_image_skipped_or_counted_twice_is_an_error(batches):
    with pytest.raises(RuntimeError, match="not evaluated exactly once"):
        scores.evaluate_batches(_step, batches, np.array([0, 1, 2]))


@pytest.fixture(scope="module")
def thousand():
    """A thousand classes, three images of each, two of three right; names with dollars, and long ones."""
    labels = np.repeat(np.arange(1000), 3).astype(np.int32)
    probabilities = np.full((3000, 1000), 1e-4)
    guesses = np.where(np.arange(3000) % 3, labels, (labels + 1) % 1000)
    probabilities[np.arange(3000), guesses] = 0.9
    names = [f"class {k:04}" for k in range(1000)]
    names[:3] = "US$5 and $_{", "x" * 255, "café"
    return Evaluation(np.log(probabilities), labels), names


def test_of_a_thousand_classes_a_screenful_is_printed_and_all_are_in_the_file(thousand):
    scored, names = thousand
    printed, whole = classification_report(scored, names, is_whole=False), classification_report(scored, names)
    assert len(printed.splitlines()) < 40
    assert "the 10 of 1,000 classes with the lowest F1 score; report.txt has all" in printed
    assert len(whole) < 2_000_000  # the matrix would be 250 MB with this long name
    assert all(name in whole for name in names)
    assert whole.count(" taken for ") == 1000
    for text in (printed, whole):
        assert "accuracy 66.67%, 95 % interval" in text


def test_of_a_thousand_classes_the_most_confused_are_drawn(thousand):
    scored, names = thousand
    more = np.repeat([[500, 700]], 50, axis=0)
    labels, predicted = np.concatenate([np.stack([scored.labels, scored.predicted], axis=1), more]).T
    figure = figures.confusion_matrix(Confusion.of(labels, predicted, 1000), names, title="a $ b")
    axes = figure.axes[0]
    assert axes.get_title() == r"a \$ b: the 30 most confused of 1,000 classes"
    assert {"class 0500", "class 0700", r"US\$5 and \$_{", "x" * 37 + "..."} <= {
        label.get_text() for label in axes.get_yticklabels()
    }
    assert figures.as_image(figure).shape[2] == 3


def test_average_precision_is_that_of_scikit_learn_ties_included():
    from sklearn import metrics

    draw = np.random.default_rng(0)
    scored = Evaluation(draw.integers(0, 3, (200, 5)), draw.integers(0, 4, 200))  # nothing of the fifth class
    found = scores.average_precision(scored)
    expected = [metrics.average_precision_score(scored.labels == k, scored.probabilities[:, k]) for k in range(4)]
    np.testing.assert_allclose(found[:4], expected, atol=1e-12)
    assert np.isnan(found[4])
    assert scores.lowest(np.array([0.5, np.nan, 0.1, 0.9]), 2).tolist() == [0, 2]


def test_rows_of_a_matrix_are_lines_of_its_json(tmp_path):
    values = {"a": [[1, 2], [3, 4]], "b": {"c": None, "d": [], "e": {}}, "f": ["x", 1.5], "g": [0.5, None], "é": "é"}
    write_json(tmp_path / "a.json", values)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == values
    assert "    [1, 2],\n    [3, 4]\n" in text
    assert '"g": [0.5, null]' in text


def test_a_class_without_images_does_not_count_in_the_means():
    labels = np.arange(20) % 2  # of three classes
    scored = Evaluation(9.0 * np.eye(3)[labels], labels)
    text = classification_report(scored, ("a", "b", "c"))
    assert re.search(r"macro avg +1\.000 +1\.000 +1\.000 +20", text)
