"""Literal learning rates, and how long they may take to rise."""

import pytest

from trainers.training.optimizer import learning_rate, warmup

_TABLE = [
    # kind, warm-up, step, rate of highest 8.0 over 10 steps
    ("constant", 0, 0, 8.0),
    ("constant", 0, 9, 8.0),
    ("constant", 1, 0, 4.0),  # the first step learns something
    ("constant", 2, 1, 16 / 3),
    ("constant", 2, 2, 8.0),
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


@pytest.mark.parametrize(
    ("asked", "total_steps", "taken"), [(50, 60, 12), (50, 250, 50), (50, 249, 49), (3, 100, 3), (50, 1, 0), (50, 4, 0)]
)
def test_a_warmup_takes_a_fifth_of_the_phase_at_most(asked, total_steps, taken):
    assert warmup(asked, total_steps=total_steps) == taken
    for kind in ("constant", "cosine"):
        rates = [
            learning_rate(step, highest=8.0, total_steps=total_steps, warmup_steps=asked, kind=kind)
            for step in range(total_steps)
        ]
        assert max(rates) == rates[taken] == 8.0  # reached, however short the phase is
        assert rates[:taken] == sorted(set(rates[:taken]))
