"""Epochs that are as good as the one that was kept are named, with what decided."""

import pytest

from trainers.rundir import ties


def _history(*scores):
    return [
        {"epoch": number + 1, "validation_accuracy": accuracy, "validation_loss": loss}
        for number, (accuracy, loss) in enumerate(scores)
    ]


def _kept(epoch, accuracy, loss, **more):
    return {"epoch": epoch, "monitor": "accuracy", "validation_accuracy": accuracy, "validation_loss": loss, **more}


@pytest.mark.parametrize(
    ("history", "metrics", "said"),
    [
        (
            _history((0.9, 0.5), (1.0, 0.4), (1.0, 0.3)),
            _kept(3, 1.0, 0.3),
            "of 2 that tie (2, 3) the one of ",
        ),
        (_history((1.0, 0.5), (1.0, 0.5), (0.2, 0.1)), _kept(1, 1.0, 0.5), "of 2 that tie (1, 2) the earliest"),
    ],
)
def test_what_decided_is_said(history, metrics, said):
    assert ties.in_words(metrics, history).startswith(said)


@pytest.mark.parametrize(
    "metrics",
    [
        _kept(2, 1.0, 0.4),
        {**_kept(1, 0.9, 0.5), "monitor": "loss"},
        _kept(1, 0.9, 0.5, ema_decay=0.99),
        _kept(1, 0.9, 0.5, chosen_among=4),
        {**_kept(1, None, None)},
    ],
)
def test_otherwise_nothing_is(metrics):
    assert ties.in_words(metrics, _history((0.9, 0.5), (1.0, 0.4), (0.9, 0.6))) == ""
