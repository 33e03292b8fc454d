"""Which epoch, and which of several averages, the folds choose together."""

import numpy as np
import pytest

from trainers.evaluation.scores import Evaluation
from trainers.folds import choice
from trainers.folds.groups import Groups

_LABELS = np.array([0, 1] * 6)


def _scored(right):
    """Scores with the true class ahead where `right`, bool [n], is True."""
    is_one = (_LABELS == 1) == right
    return Evaluation(np.where(is_one[:, None], [0.0, 2.0], [2.0, 0.0]), _LABELS)


def test_groups_count_equally_in_the_choice():
    groups = Groups(np.array([0] * 8 + [1] * 2 + [2] * 2), ("large", "small", "tiny"))
    epochs = {
        (0, None): _scored(np.arange(12) >= 12),
        (1, None): _scored(np.arange(12) < 8),  # most images, one group
        (2, None): _scored(np.arange(12) >= 8),  # fewer images, two groups
    }
    found = choice.choose(epochs, monitor="accuracy", groups=groups, folds=[])
    assert (found["epoch"], found["chosen_among"]) == (2, 3)
    assert found["expected_new_group_accuracy"] == found["validation_accuracy"] == pytest.approx(2 / 3)
    assert found["groups"] == {"large": 0.0, "small": 1.0, "tiny": 1.0}
    assert found["expected_new_group_interval"] is None  # three groups are too few


def test_without_groups_folds_count_equally():
    folds = [np.arange(12) < 8, np.arange(12) >= 8]
    epochs = {(1, None): _scored(np.arange(12) < 7), (2, None): _scored(np.arange(12) >= 8)}
    found = choice.choose(epochs, monitor="accuracy", groups=None, folds=folds)
    assert found["epoch"] == 2
    assert found["validation_accuracy"] == pytest.approx(0.5)
    assert "expected_new_group_accuracy" not in found


def test_of_equal_epochs_the_one_with_the_lower_loss_and_then_the_earlier():
    folds = [np.ones(12, bool)]
    sure = Evaluation(2 * _scored(_LABELS < 2).logits, _LABELS)
    epochs = {(0, None): _scored(_LABELS < 2), (1, None): sure, (2, None): Evaluation(sure.logits.copy(), _LABELS)}
    assert choice.choose(epochs, monitor="accuracy", groups=None, folds=folds)["epoch"] == 1


def test_the_mean_over_folds_chooses_epoch_and_average():
    folds = [np.arange(12) < 8, np.arange(12) >= 8]
    candidates = {
        (0, None): _scored(np.zeros(12, bool)),
        (1, 0.9): _scored(folds[0]),  # of the images more, but half in the mean over the folds
        (1, 0.99): _scored(np.arange(12) >= 4),  # three quarters
        (2, 0.9): _scored(folds[1]),
        (2, 0.99): _scored(np.arange(12) >= 4),  # as good, and later
    }
    found = choice.choose(candidates, monitor="accuracy", groups=None, folds=folds)
    assert (found["epoch"], found["ema_decay"], found["chosen_among"]) == (1, 0.99, 5)
    assert found["validation_accuracy"] == 0.75


def test_one_average_has_no_name():
    candidates = {(0, None): _scored(np.arange(12) < 1), (1, None): _scored(np.arange(12) < 2)}
    found = choice.choose(candidates, monitor="accuracy", groups=None, folds=[np.ones(12, bool)])
    assert found["epoch"] == 1
    assert "ema_decay" not in found
