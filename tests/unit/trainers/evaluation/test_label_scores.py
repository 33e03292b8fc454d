"""Scores of several labels an image, against scikit-learn's; and what the files say of them."""

import csv
import json

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from trainers.evaluation import label_reports, scores
from trainers.evaluation.label_scores import LabelEvaluation
from trainers.evaluation.summary import LabelSummary

_NAMES = ("a", "b;c", "file", "never")


def drawn(count=200, *, seed=0, digits=1):
    """Scores with many ties, and labels that lean on them; the last class is never shown."""
    generator = np.random.default_rng(seed)
    logits = np.round(generator.normal(size=(count, 4)), digits)
    labels = (generator.random((count, 4)) < special.expit(1.5 * logits - 1)).astype(np.float32)
    labels[:, 3] = 0
    return LabelEvaluation(logits, labels)


@pytest.mark.parametrize("seed", range(8))
def test_scores_are_those_of_scikit_learn(seed):
    scored = drawn(seed=seed, digits=seed % 4).with_thresholds(np.float32([0.3, 0.5, 0.6, 0.5]))
    truth, answer, shown = scored.labels, scored.predicted, slice(0, 3)
    expected = metrics.average_precision_score(truth[:, shown], scored.probabilities[:, shown], average="macro")
    assert scored.map == pytest.approx(expected, rel=0, abs=1e-14)
    for average, value in (("micro", scored.f1_micro), ("weighted", scored.f1_weighted)):
        assert value == pytest.approx(metrics.f1_score(truth, answer, average=average, zero_division=0), abs=1e-14)
    expected = metrics.f1_score(truth[:, shown], answer[:, shown], average="macro")
    assert scored.f1_macro == pytest.approx(expected, abs=1e-14)
    assert scored.accuracy == metrics.accuracy_score(truth, answer)
    np.testing.assert_array_equal(scored.counts, metrics.multilabel_confusion_matrix(truth, answer).reshape(4, 4))
    assert scored.loss == pytest.approx(metrics.log_loss(truth.ravel(), scored.probabilities.ravel()), rel=1e-12)
    balanced = [metrics.balanced_accuracy_score(truth[:, k], answer[:, k]) for k in range(3)]
    assert scored.balanced_accuracy == pytest.approx(np.mean(balanced), abs=1e-14)


def test_an_evaluation_without_positives_has_scores():
    scored = LabelEvaluation(np.zeros((3, 2)), np.zeros((3, 2), np.float32))
    assert (scored.map, scored.f1_macro, scored.f1_micro, scored.balanced_accuracy) == (0, 0, 0, 0)


def test_labels_say_which_evaluation_it_is():
    scored = scores.assemble([(np.arange(3), np.zeros((3, 2), np.float32))], np.ones((3, 2), np.float32))
    assert isinstance(scored, LabelEvaluation)
    assert isinstance(scored.summary, LabelSummary)
    assert type(scores.assemble([(np.arange(3), np.zeros((3, 2)))], np.zeros(3, np.int32))) is scores.Evaluation


def test_the_files_say_what_was_found(tmp_path):
    thresholds = np.float32([0.25, 0.5, 0.75, 0.5])
    scored = drawn(40).with_thresholds(thresholds)
    found = label_reports.scores(scored, _NAMES)
    assert "confusion_matrix" not in found
    for k, name in enumerate(_NAMES):
        row = found["per_class"][name]
        counts = [row[f"{kind}_{sign}"] for kind, sign in (("true", "negatives"), ("false", "positives"))]
        assert [*counts, row["false_negatives"], row["true_positives"]] == scored.counts[k].tolist()
    assert found["per_class"]["never"]["average_precision"] is None
    names = [f"{k}.jpg" for k in range(40)]
    text = label_reports.write_report(tmp_path, scored, names=names, metrics=found, drawn={})
    assert f"mAP {scored.map:.4f}" in text
    assert json.loads((tmp_path / "metrics.json").read_text())["test_map"] == scored.map
    with (tmp_path / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["file", "true", "predicted", "a", "b;c", "class file", "never"]
    for row, answer, probabilities in zip(rows, scored.predicted, scored.probabilities, strict=True):
        assert row["predicted"] == ";".join(name for name, given in zip(_NAMES, answer, strict=True) if given)
        assert float(row["a"]) == pytest.approx(probabilities[0], abs=1e-6)


def test_probabilities_of_some_images_and_in_blocks_are_those_of_all():
    logits = np.random.default_rng(0).normal(size=(5, 3))
    scored = LabelEvaluation(logits, (logits > 0).astype(np.float32))
    np.testing.assert_array_equal(scored.probabilities_of(np.array([4, 1])), scored.probabilities[[4, 1]])
    np.testing.assert_array_equal(np.concatenate(list(scored.by_image())), scored.probabilities)
    np.testing.assert_array_equal(np.stack(list(scored.by_class(range(3))), axis=1), scored.probabilities)
