"""Which checkpoints stay, and how far two results of a stretch lie apart."""

import numpy as np
import pytest

from trainers.training.plan import PhasePlan
from trainers.training.replay import deviation


def _plan(epochs, steps_per_epoch, checkpoint_every_steps=200, ends_after=None):
    return PhasePlan(
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        global_batch=32,
        rate=lambda step: 1e-3,
        monitor="accuracy",
        patience=None,
        log_every_steps=20,
        checkpoint_every_steps=checkpoint_every_steps,
        ends_after=ends_after,
    )


@pytest.mark.parametrize(
    ("plan", "count", "expected"),
    [
        (_plan(3, 80), 2, [80, 160]),  # at the ends of epochs
        (_plan(10, 80), 2, [240, 560]),
        (_plan(1, 1_000), 2, [400, 600]),  # within one
        (_plan(2, 80), 2, [80]),  # as many as there are
        (_plan(1, 80), 2, []),
        (_plan(0, 80), 2, []),
        (_plan(10, 80, ends_after=3), 2, [80, 160]),
        (_plan(3, 80), 0, []),
        (_plan(4, 10), 9, [10, 20, 30]),
    ],
)
def test_kept_checkpoints_are_spread_over_the_phase(plan, count, expected):
    assert plan.kept_steps(count) == expected


def test_a_deviation_is_a_share_of_the_way():
    start, end = {"weights/0": np.zeros(4)}, {"weights/0": np.array([0.0, 0, 0, 2])}
    assert deviation(start, end, end) == 0
    assert deviation(start, end, {"weights/0": np.array([0.0, 0, 0.1, 2])}) == pytest.approx(0.05)
    assert deviation(start, start, end) == float("inf")
