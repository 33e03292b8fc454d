"""The sentence for literal measurements."""

import pytest

from trainers.commands.messages import describe_bottleneck


@pytest.mark.parametrize(
    ("wait", "step", "on_gpu", "tier", "expected"),
    [
        (0.30, 0.1, False, "none", ("input-bound: 30.0%", "--cache=disk would help")),
        (0.30, 0.1, True, "memory", ("input-bound", "--cache=device would help")),
        (0.30, 0.1, False, "memory", ("input-bound", "fewer other programs")),  # a CPU has no memory of its own
        (0.01, 0.002, True, "device", ("launch-bound", "steps of 2.0 ms", "--batch_size")),
        (0.01, 0.002, False, "memory", ("compute-bound",)),  # short steps on a CPU are no launches
        (0.01, 0.2, True, "device", ("compute-bound: 1.0%", "faster input would not")),
    ],
)
def test_verdict(wait, step, on_gpu, tier, expected):
    sentence = describe_bottleneck(input_wait_fraction=wait, seconds_per_step=step, on_gpu=on_gpu, tier=tier, steps=100)
    assert all(part in sentence for part in expected)
    assert "\n" not in sentence


def test_a_smaller_network_is_not_advised_where_steps_begin_with_features():
    sentence = describe_bottleneck(
        input_wait_fraction=0.01, seconds_per_step=0.1, on_gpu=False, tier="memory", steps=100, reads_features=True
    )
    assert "--steps_per_execution" in sentence
    assert "--backbone" not in sentence
    sentence = describe_bottleneck(
        input_wait_fraction=0.01, seconds_per_step=0.002, on_gpu=True, tier="memory", steps=100, reads_features=True
    )
    assert sentence.startswith("launch-bound")


def test_of_two_steps_there_is_no_verdict():
    sentence = describe_bottleneck(input_wait_fraction=0.4, seconds_per_step=2.0, on_gpu=False, tier="none", steps=2)
    assert sentence == "too short to tell what held it back: 2 steps"
