"""What the figures of results show."""

import pytest

from trainers.evaluation import figures


@pytest.mark.parametrize("epochs", [1, 2, 7, 40])
def test_epochs_are_whole_numbers_on_the_axis(epochs):
    row = {"loss": 1.0, "accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
    for axes in figures.curves({"transfer": [{**row, "epoch": 1 + number} for number in range(epochs)]}).axes:
        ticks = [tick for tick in axes.get_xticks() if 0.5 <= tick <= epochs + 0.5]
        assert ticks
        assert all(tick == int(tick) for tick in ticks)


def test_the_starting_point_stands_at_the_end_of_the_phase_before_and_the_choice_is_drawn():
    row = {"loss": 1.0, "accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
    row["validation_balanced_accuracy"] = 0.25
    start = {**row, "epoch": 0, "loss": None, "accuracy": None, "validation_balanced_accuracy": 0.75}
    histories = {"transfer": [{**row, "epoch": 1}, {**row, "epoch": 2}], "finetune": [start, {**row, "epoch": 1}]}
    _, accuracy = figures.curves(histories, monitor="balanced_accuracy").axes
    lines = {line.get_label(): line for line in accuracy.get_lines()}
    chosen = lines["validation, balanced accuracy"]
    assert chosen.get_xdata().tolist() == [1, 2, 2, 3]
    assert chosen.get_ydata().tolist() == [0.25, 0.25, 0.75, 0.25]
    assert "validation" in lines
