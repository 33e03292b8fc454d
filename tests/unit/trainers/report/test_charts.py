"""Literal numbers and the places they are drawn at."""

import pytest

from trainers.report.charts import Chart, Line


def chart(*lines, **options):
    return Chart("key", "title", "about", lines, "x", "y", **options)


def test_corners_and_ticks():
    drawn = chart(Line("a", [0, 0.5, 1], [0.0, 1.0, 1.0], 0), x_range=(0, 1), y_range=(0, 1))
    left, top, right, bottom = drawn.frame
    assert drawn.paths(drawn.lines[0]) == [
        f"{left:.1f},{bottom:.1f} {(left + right) / 2:.1f},{top:.1f} {right:.1f},{top:.1f}"
    ]
    assert [tick.text for tick in drawn.up] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert drawn.up[0].place == bottom
    assert drawn.across[-1].place == right


def test_a_gap_breaks_the_line():
    line = Line("a", [0, 1, 2, 3], [1.0, None, float("nan"), 2.0], 0)
    assert len(chart(line).paths(line)) == 2
    assert len(chart(line).markers(line)) == 2


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [(0.5, 3.5, ["1", "2", "3"]), (0.5, 20.5, ["5", "10", "15", "20"]), (0.5, 1.5, ["1"])],
)
def test_epochs_are_whole_numbers(low, high, texts):
    drawn = chart(Line("a", [1], [0.5], 0), x_range=(low, high), whole=True)
    assert [tick.text for tick in drawn.across] == texts


@pytest.mark.parametrize("values", [[0.5], [0.0, 0.0], [1e-9, 2e-9], [-3.0, 1e9], [float("inf")], []])
def test_any_values_have_an_axis(values):
    line = Line("a", list(range(len(values))), values, 0)
    drawn = chart(line)
    assert drawn.up
    assert len({tick.text for tick in drawn.up}) == len(drawn.up)
    drawn.paths(line)


def test_many_points_are_thinned_and_lose_their_markers():
    line = Line("a", list(range(5000)), [0.5] * 5000, 0)
    assert len(chart(line).paths(line)[0].split()) == 200
    assert chart(line).markers(line) == []


def test_lines_of_two_points_take_little_room():
    few, many = Line("a", [0, 1], [0.1, 0.9], 0), Line("b", [0, 1, 2], [0.1, None, 0.2], 0)
    assert chart(few, many).is_compact
    assert chart(few, many).height == 150
    assert chart(few, Line("c", [0, 1, 2], [0.1, 0.2, 0.2], 0)).height == 260
    assert chart(Line("d", [0, 1, 1, 2], [None, 0.1, 0.2, 0.3], 0)).is_compact
    drawn = chart(few, y_range=(0, 1))
    assert drawn.frame[3] == drawn.up[0].place < 150
