"""Which steps of a phase go to the device in one call."""

import pytest

from trainers.training.plan import PhasePlan


def _calls(*, first=0, **settings):
    """(first step, number of steps) of each call of a phase of three epochs."""
    plan = PhasePlan(
        epochs=3,
        global_batch=8,
        rate=lambda step: 1e-3,
        monitor="loss",
        patience=None,
        **{"steps_per_epoch": 50} | settings,
    )
    calls, step = [], first
    while step < plan.total_steps:
        calls.append((step, plan.steps_at_once(step)))
        step += calls[-1][1]
    assert step == plan.total_steps
    return calls


@pytest.mark.parametrize("together", [1, 2, 3, 7, 20, 50, 100])
@pytest.mark.parametrize(("log", "checkpoint"), [(20, 200), (7, 15), (1, 1), (10, 25)])
def test_nothing_is_due_inside_a_call(together, log, checkpoint):
    settings = {"log_every_steps": log, "checkpoint_every_steps": checkpoint, "steps_per_execution": together}
    calls = _calls(**settings)
    for step, count in calls:
        assert count in (1, together)
        assert not any(
            number % every == 0 for number in range(step + 1, step + count) for every in (50, log, checkpoint)
        )
    for number, (step, _) in enumerate(calls):  # whoever resumes at any of them makes the same calls
        assert _calls(first=step, **settings) == calls[number:]


def test_calls_are_as_large_as_asked_for():
    calls = _calls(log_every_steps=10, checkpoint_every_steps=25, steps_per_execution=5)
    assert calls == [(step, 5) for step in range(0, 150, 5)]
