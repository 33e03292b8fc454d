"""What chooses the best epoch."""

import dataclasses
import math

import numpy as np
import pytest

from trainers.commands import resolution
from trainers.config import TrainConfig, TrainingConfig
from trainers.evaluation.scores import Evaluation
from trainers.rundir.run_dir import RunDir, write_json
from trainers.training.epoch_row import monitor_key


def _evaluation(labels, predicted, classes=3):
    return Evaluation(np.eye(classes)[predicted] * 5.0, np.array(labels))


def test_every_class_that_has_images_counts_alike():
    # 8 of class 0, 2 of class 1, none of class 2; all of class 0 and one of class 1 are right, one is taken for class 2
    scored = _evaluation([0] * 8 + [1] * 2, [0] * 8 + [1, 2])
    assert scored.accuracy == pytest.approx(0.9)
    assert scored.balanced_accuracy == pytest.approx((1 + 0.5) / 2)
    assert scored.f1_macro == pytest.approx((1 + 2 / 3) / 2)
    summary = scored.summary
    assert (summary.accuracy, summary.balanced_accuracy) == (scored.accuracy, scored.balanced_accuracy)


def test_the_means_are_those_of_scikit_learn():
    from sklearn import metrics

    generator = np.random.default_rng(0)
    labels, predicted = generator.integers(0, 5, (2, 200))
    scored = _evaluation(labels, predicted, classes=5)
    assert scored.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    assert scored.f1_macro == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))


def _row(epoch, loss, **scores):
    return {"epoch": epoch, "validation_loss": loss, **{f"validation_{name}": v for name, v in scores.items()}}


def _best(rows, monitor):
    best = rows[0]
    for row in rows[1:]:
        best = row if monitor_key(row, monitor) > monitor_key(best, monitor) else best
    return best["epoch"]


@pytest.mark.parametrize(("monitor", "best"), [("accuracy", 1), ("balanced_accuracy", 2), ("f1_macro", 3), ("loss", 4)])
def test_what_is_monitored_chooses(monitor, best):
    rows = [
        _row(1, 0.9, accuracy=0.9, balanced_accuracy=0.5, f1_macro=0.5),
        _row(2, 0.8, accuracy=0.8, balanced_accuracy=0.8, f1_macro=0.6),
        _row(3, 0.7, accuracy=0.8, balanced_accuracy=0.7, f1_macro=0.7),
        _row(4, 0.6, accuracy=0.7, balanced_accuracy=0.6, f1_macro=0.6),
    ]
    assert _best(rows, monitor) == best


def test_a_tie_goes_to_the_lower_loss_and_then_to_the_earlier_epoch():
    rows = [_row(1, 0.5, accuracy=0.8), _row(2, 0.4, accuracy=0.8), _row(3, 0.4, accuracy=0.8)]
    assert _best(rows, "accuracy") == 2
    assert _best([_row(1, math.nan, accuracy=0.8), _row(2, 0.9, accuracy=0.8)], "accuracy") == 2
    assert _best([_row(1, 0.5, accuracy=0.7), _row(2, 0.5, accuracy=0.8)], "loss") == 1
    assert _best([_row(1, math.nan, accuracy=0.8), _row(2, 0.9, accuracy=0.8)], "loss") == 2


def test_the_same_recalls_of_other_classes_are_a_tie():
    # classes of 3, 7 and 11 images: the mean of the same recalls differs in its last bits by their order
    pairs = [(a, b) for a in (0.1, 0.2, 0.7) for b in (0.3, 0.6)]
    values = {tuple(sorted((a, b, 0.15))): [] for a, b in pairs}
    for a, b in pairs:
        for order in ((a, b, 0.15), (0.15, a, b), (b, 0.15, a), (b, a, 0.15)):
            values[tuple(sorted((a, b, 0.15)))].append(float(np.sum(order) / 3))
    assert any(len(set(same)) > 1 for same in values.values())
    for same in values.values():
        ranks = {monitor_key(_row(1, 0.5, balanced_accuracy=value), "balanced_accuracy") for value in same}
        assert len(ranks) == 1


def test_without_a_validation_split_the_last_epoch_is_kept():
    assert _best([_row(1, None), _row(2, None)], "balanced_accuracy") == 2


@pytest.mark.parametrize(
    ("settings", "monitored"),
    [
        ({}, "balanced_accuracy"),
        ({"class_weight": "none"}, "accuracy"),
        ({"class_weight": ("cat=2", "dog=0.5")}, "accuracy"),
        ({"monitor": "accuracy"}, "accuracy"),
        ({"monitor": "f1_macro", "class_weight": "none"}, "f1_macro"),
    ],
)
def test_the_choice_counts_classes_as_training_does(settings, monitored, tmp_path):
    config = TrainConfig(training=TrainingConfig(**settings))
    assert config.training.monitored == monitored
    settled = resolution.settle(config, RunDir(tmp_path), on_gpu=False)
    assert settled.training.monitor == monitored


def test_a_run_begun_before_keeps_what_chose_then(tmp_path):
    run_dir = RunDir(tmp_path)
    write_json(run_dir.config, {"settings": {"monitor": "accuracy"}, "phases": {}})
    run_dir.phase("transfer").metrics.parent.mkdir()
    run_dir.phase("transfer").metrics.write_text("{}")
    assert resolution.settle(TrainConfig(), run_dir, on_gpu=False).training.monitor == "accuracy"
    anew = dataclasses.replace(TrainConfig(), overwrite=True)
    assert resolution.settle(anew, run_dir, on_gpu=False).training.monitor == "balanced_accuracy"
