"""Literal learning rates."""

import pytest

from trainers.schedule import learning_rate

_TABLE = [
    # kind, warm-up, step, rate of highest 8.0 over 10 steps
    ("constant", 0, 0, 8.0),
    ("constant", 0, 9, 8.0),
    ("constant", 3, 0, 2.0),  # the first step learns something
    ("constant", 3, 2, 6.0),
    ("constant", 3, 3, 8.0),
    ("cosine", 0, 0, 8.0),
    ("cosine", 0, 5, 4.0),  # half way down in the middle
    ("cosine", 2, 2, 8.0),  # highest right after the warm-up
    ("cosine", 2, 6, 4.0),
    ("cosine", 0, 10, 0.0),
]


@pytest.mark.parametrize(("kind", "warmup", "step", "expected"), _TABLE)
def test_learning_rate(kind, warmup, step, expected):
    rate = learning_rate(step, highest=8.0, total_steps=10, warmup_steps=warmup, kind=kind)
    assert rate == pytest.approx(expected, abs=1e-12)
