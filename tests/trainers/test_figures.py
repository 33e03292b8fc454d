"""What the pictures of results show."""

import pytest

from trainers import figures


@pytest.mark.parametrize("epochs", [1, 2, 7, 40])
def test_epochs_are_whole_numbers_on_the_axis(epochs):
    row = {"loss": 1.0, "accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
    for axes in figures.curves({"transfer": [row] * epochs}).axes:
        ticks = [tick for tick in axes.get_xticks() if 0.5 <= tick <= epochs + 0.5]
        assert ticks
        assert all(tick == int(tick) for tick in ticks)
