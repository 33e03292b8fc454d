"""What stands in a line of `predict --json`: a contract that scripts rely on."""

import numpy as np
import pytest

from trainers.commands import predicted_rows

_NAMES = ("a", "b", "c", "d", "e", "f", "g")
_PROBABILITIES = np.float32([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.1])


def test_of_one_class_an_image_the_most_probable_is_predicted():
    row = predicted_rows.row("x.jpg", _PROBABILITIES, _NAMES)
    assert list(row) == ["file", "predicted", "probability", "top"]
    assert (row["predicted"], row["probability"]) == ("a", pytest.approx(0.9))
    assert [guess["class"] for guess in row["top"]] == ["a", "b", "c", "d", "e"]
    assert set(row["top"][0]) == {"class", "index", "probability"}
    assert list(predicted_rows.thresholds(_NAMES, None)) == []


def test_of_several_labels_none_is_predicted_and_each_has_its_threshold():
    least = np.float32([0.95, 0.5, 0.7, 0.65, 0.5, 0.3, 0.2])
    row = predicted_rows.row("x.jpg", _PROBABILITIES, _NAMES, least)
    assert list(row) == ["file", "labels", "top"]
    assert row["labels"] == ["b", "c", "e", "f"]
    assert [guess["class"] for guess in row["top"]] == ["a", "b", "c", "d", "e", "f"]  # every label given is there
    given = [guess["class"] for guess in row["top"] if guess["probability"] >= guess["threshold"]]
    assert given == row["labels"]
    (line,) = predicted_rows.thresholds(_NAMES, least)
    assert line == (
        "a label is given from its threshold on: a 0.950, b 0.500, c 0.700, d 0.650, e 0.500, f 0.300, g 0.200"
    )
    (text,) = predicted_rows.table([row])
    assert text.startswith("x.jpg  b, c, e, f  ( 90.0% a")


def test_an_image_without_a_label_says_so():
    row = predicted_rows.row("x.jpg", _PROBABILITIES, _NAMES, np.ones(7, np.float32))
    assert row["labels"] == []
    assert next(predicted_rows.table([row])).startswith("x.jpg  none  (")
