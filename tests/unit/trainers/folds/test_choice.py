"""Which epoch the folds choose, which of several averages, and how far from the start."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from trainers.evaluation import label_temperatures, label_thresholds
from trainers.evaluation.label_scores import LabelEvaluation
from trainers.evaluation.scores import Evaluation
from trainers.folds import choice
from trainers.folds.groups import Groups
from trainers.training.context import Candidate

_LABELS = np.array([0, 1] * 6)


def _scored(right):
    """Scores with the true class ahead where `right`, bool [n], is True."""
    is_one = (_LABELS == 1) == right
    return Evaluation(np.where(is_one[:, None], [0.0, 2.0], [2.0, 0.0]), _LABELS)


def test_groups_count_equally_in_the_choice():
    groups = Groups(np.array([0] * 8 + [1] * 2 + [2] * 2), ("large", "small", "tiny"))
    epochs = {
        Candidate(0): _scored(np.arange(12) >= 12),
        Candidate(1): _scored(np.arange(12) < 8),  # most images, one group
        Candidate(2): _scored(np.arange(12) >= 8),  # fewer images, two groups
    }
    found = choice.choose(epochs, monitor="accuracy", groups=groups, folds=[])
    assert (found["epoch"], found["chosen_among"]) == (2, 3)
    assert found["expected_new_group_accuracy"] == found["validation_accuracy"] == pytest.approx(2 / 3)
    assert found["groups"] == {"large": 0.0, "small": 1.0, "tiny": 1.0}
    assert found["expected_new_group_interval"] is None  # three groups are too few


def test_without_groups_folds_count_equally():
    folds = [np.arange(12) < 8, np.arange(12) >= 8]
    epochs = {Candidate(1): _scored(np.arange(12) < 7), Candidate(2): _scored(np.arange(12) >= 8)}
    found = choice.choose(epochs, monitor="accuracy", groups=None, folds=folds)
    assert found["epoch"] == 2
    assert found["validation_accuracy"] == pytest.approx(0.5)
    assert not {"expected_new_group_accuracy", "ema_decay", "interpolation"} & set(found)


def test_of_equal_epochs_the_one_with_the_lower_loss_and_then_the_earlier():
    folds = [np.ones(12, bool)]
    sure = Evaluation(2 * _scored(_LABELS < 2).logits, _LABELS)
    again = Evaluation(sure.logits.copy(), _LABELS)
    epochs = {Candidate(0): _scored(_LABELS < 2), Candidate(1): sure, Candidate(2): again}
    assert choice.choose(epochs, monitor="accuracy", groups=None, folds=folds)["epoch"] == 1


def test_averages_and_shares_of_the_way_compete_with_epochs():
    folds = [np.arange(12) < 8, np.arange(12) >= 8]
    best = _scored((np.arange(12) < 4) | (np.arange(12) >= 8))  # 3/4 in the mean over the folds
    candidates = {
        Candidate(0): _scored(np.arange(12) >= 12),
        Candidate(1, 0.9): _scored(np.arange(12) < 9),  # 5/8, though more of all images
        Candidate(1, 0.99): _scored(np.arange(12) < 8),
        Candidate(1, 0.99, 0.25): best,
        Candidate(1, 0.99, 0.5): best,
        Candidate(2, 0.9): best,
    }
    found = choice.choose(candidates, monitor="accuracy", groups=None, folds=folds)
    assert (found["epoch"], found["ema_decay"], found["chosen_among"]) == (1, 0.99, 6)
    assert found["interpolation"] == {"alpha": 0.5, "epoch": 1}  # of equals the one nearer to the result
    assert found["validation_accuracy"] == 0.75


def test_the_start_has_no_average_and_is_no_way_from_itself():
    candidates = {
        Candidate(0): _scored(_LABELS < 2),
        **{Candidate(1, decay, 0.5): _scored(_LABELS < 0) for decay in (0.9, 0.99)},
    }
    found = choice.choose(candidates, monitor="accuracy", groups=None, folds=[np.ones(12, bool)])
    assert (found["epoch"], found["ema_decay"], found["interpolation"]) == (0, None, {"alpha": 0.0, "epoch": 0})


def test_of_several_labels_what_was_left_out_chooses_thresholds_and_temperatures():
    generator = np.random.default_rng(0)
    labels = (generator.random((90, 3)) < 0.4).astype(np.float32)
    labels[60:] = 0  # the last group shows nothing: it has no mAP, and does not count
    groups = Groups(np.arange(90) // 30, ("x", "y", "z"))
    better = LabelEvaluation(4 * labels - 2 + generator.normal(size=(90, 3)), labels)
    candidates = {Candidate(1): LabelEvaluation(generator.normal(size=(90, 3)), labels), Candidate(2): better}
    found = choice.choose(candidates, monitor="map", groups=groups, folds=[], class_names="abc")
    assert (found["epoch"], found["chosen_among"]) == (2, 2)
    each = [average_precision_score(labels[p], better.probabilities[p], average="macro") for p in _thirds(2)]
    assert found["validation_map"] == pytest.approx(np.mean(each))
    assert found["group_map"] == {"x": pytest.approx(each[0]), "y": pytest.approx(each[1])}
    thresholds, temperatures = found["label_thresholds"], found["label_temperatures"]
    assert (thresholds["chosen_on"], thresholds["images"]) == ("folds", 90)
    assert list(thresholds["by_class"].values()) == label_thresholds.choose(better).tolist()
    assert list(temperatures["by_class"].values()) == label_temperatures.fit(better).tolist()
    assert found["expected_new_group_map"] == pytest.approx(np.mean(each))
    assert found["expected_new_group_interval"] is None  # two groups are too few
    assert not {"groups", "expected_new_group_accuracy", "temperature"} & set(found)


def _thirds(count):
    return [slice(30 * k, 30 * k + 30) for k in range(count)]
