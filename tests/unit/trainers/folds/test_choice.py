"""Which epoch, and which of several averages, all folds choose together."""

import numpy as np

from trainers.evaluation.scores import Evaluation
from trainers.folds import choice

_LABELS = np.array([0, 1, 0, 1, 0, 1])
_FOLDS = [np.arange(6) < 4, np.arange(6) >= 4]  # of 4 and 2 images


def _evaluation(*right):
    """Scores of six images, those named answered right."""
    answered = np.where(np.isin(np.arange(6), right), _LABELS, 1 - _LABELS)
    return Evaluation(3.0 * np.eye(2)[answered], _LABELS)


def test_the_mean_over_folds_chooses_epoch_and_average():
    candidates = {
        (0, None): _evaluation(),
        (1, 0.9): _evaluation(0, 1, 2, 3),  # of the images more: 4 of 6, but 1/2 in the mean over the folds
        (1, 0.99): _evaluation(0, 1, 4, 5),  # 3/4
        (2, 0.9): _evaluation(4, 5),
        (2, 0.99): _evaluation(0, 1, 4, 5),  # as good, and later
    }
    found = choice.choose(candidates, monitor="accuracy", groups=None, folds=_FOLDS)
    assert (found["epoch"], found["ema_decay"], found["chosen_among"]) == (1, 0.99, 5)
    assert found["validation_accuracy"] == 0.75


def test_one_average_has_no_name():
    candidates = {(0, None): _evaluation(0), (1, None): _evaluation(0, 1)}
    found = choice.choose(candidates, monitor="accuracy", groups=None, folds=_FOLDS)
    assert found["epoch"] == 1
    assert "ema_decay" not in found
