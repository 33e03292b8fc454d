"""Thresholds of several labels: against a search through all, and what few images leave of them."""

import json

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from trainers.evaluation import label_thresholds
from trainers.evaluation.label_scores import HALF, LabelEvaluation

_NAMES = ("often", "seldom", "always", "never")


def drawn(count, *, seed, seldom=2):
    """Labels that lean on the scores: a class on about half of the images, one on few, one on all, one on none."""
    generator = np.random.default_rng(seed)
    logits = np.round(generator.normal(-1, 2, size=(count, 4)), 2)
    labels = (generator.random((count, 4)) < special.expit(logits)).astype(np.float32)
    labels[:, 1:] = [0, 1, 0]
    labels[np.argsort(-logits[:, 1])[1 : 1 + seldom], 1] = 1
    return LabelEvaluation(logits, labels)


def test_the_best_threshold_is_best_among_all():
    scored = drawn(120, seed=3, seldom=20)
    best = scored.with_thresholds(label_thresholds.with_best_f1(scored))
    f1 = metrics.f1_score(scored.labels, best.predicted, average=None, zero_division=0)
    for k in range(3):
        of_class = scored.labels[:, k], scored.probabilities[:, k]
        others = [metrics.f1_score(of_class[0], of_class[1] >= p) for p in np.linspace(0, 1, 301)]
        assert f1[k] >= max(others) - 1e-12
    assert best.thresholds[3] == HALF


def test_few_images_leave_a_threshold_near_one_half():
    scored = drawn(80, seed=1)
    best, chosen = label_thresholds.with_best_f1(scored), label_thresholds.choose(scored)
    count = label_thresholds.evidence(scored)
    assert count.tolist()[1:] == [2, 0, 0]
    assert chosen[2:].tolist() == [HALF, HALF]  # nothing tells images with the class from those without
    assert special.logit(chosen[1]) == pytest.approx(special.logit(best[1].astype(float)) / 2, abs=1e-5)
    assert abs(special.logit(chosen[0]) / special.logit(best[0].astype(float)) - count[0] / (count[0] + 2)) < 1e-4


def test_on_new_images_it_is_better_than_the_best_one_where_images_are_few():
    """The simulation that chose the rule, cut down: one class on 10 % of the images, calibrated."""

    def images(shown, count):
        truth = np.arange(count) < shown
        away = generator.normal(np.where(truth, 0.75, -0.75), 1)
        return LabelEvaluation((1.5 * away + np.log(1 / 9))[:, None], truth[:, None].astype(np.float32))

    generator = np.random.default_rng(0)
    new, found = images(500, 5000), []
    for _ in range(60):
        held_out = images(3, 30)
        rules = label_thresholds.with_best_f1(held_out), label_thresholds.choose(held_out)
        found.append([new.with_thresholds(thresholds).f1_macro for thresholds in rules])
    best, shrunk = np.mean(found, axis=0)
    assert shrunk > best + 0.005
    assert shrunk > new.f1_macro  # 1/2 for all


def test_what_is_recorded_is_read_again_and_warns_of_few_images():
    scored = drawn(80, seed=1)
    found = json.loads(json.dumps(label_thresholds.recorded(scored, _NAMES)))
    np.testing.assert_array_equal(
        label_thresholds.of_metrics(found, _NAMES), label_thresholds.choose(scored), strict=True
    )
    assert label_thresholds.of_metrics(found, ("others",)) is None
    stored = found["label_thresholds"]
    assert (stored["images"], stored["shown_by"]["seldom"], stored["shown_by"]["always"]) == (80, 2, 80)
    chosen, warning = label_thresholds.in_words(stored)
    assert chosen == "thresholds chosen on 80 validation images"
    assert f"seldom (2 of 80: {stored['by_class']['seldom']:.3f})" in warning
    assert "always (80 of 80: 0.500)" in warning
    assert "often" not in warning
    del stored["shown_by"]  # as earlier versions wrote it
    assert label_thresholds.in_words(stored) == [chosen]


def test_without_held_out_images_every_threshold_is_one_half():
    found = label_thresholds.recorded(None, _NAMES)
    assert label_thresholds.of_metrics(found, _NAMES).tolist() == [HALF] * 4
    assert label_thresholds.in_words(found["label_thresholds"])[0].startswith("every threshold is 1/2")


def test_no_threshold_reads_as_zero():
    assert [label_thresholds.as_text(value) for value in (1e-6, 0.0125, 1 - 1e-6)] == ["<0.001", "0.013", ">0.999"]
