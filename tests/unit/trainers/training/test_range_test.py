"""How long a learning-rate range test is."""

import pytest

from trainers.training import range_test


@pytest.mark.parametrize(
    ("images", "batch_size", "steps"),
    [(100_000, 32, 100), (320, 32, 100), (200, 32, 62), (128, 32, 40), (20, 32, 40)],
)
def test_few_images_are_not_shown_many_times(images, batch_size, steps):
    assert range_test.number_of_steps(images, batch_size=batch_size) == steps


def test_the_rate_rises_by_the_same_factor_with_every_step():
    rates = [range_test.rate_of(step, steps=41) for step in range(41)]
    assert rates[0] == 1e-7
    assert rates[5::5] == pytest.approx([10.0**power for power in range(-6, 2)])
