import json

import numpy as np
import pytest
import tensorflow as tf

from trainers.serving import requests
from trainers.serving.errors import Refused
from trainers.serving.saved_model import ServedModel, Signature

_FILES = Signature("serving_default", {"image_bytes": tf.TensorSpec([None], tf.string)}, ("label", "p"), None)
_TWO = Signature(
    "two", {"a": tf.TensorSpec([None, 2], tf.float32), "b": tf.TensorSpec([None], tf.int64)}, ("out_bytes",), None
)
_MODEL = ServedModel({"serving_default": _FILES, "two": _TWO}, {})


def _parse(most=10, **values):
    return requests.parse(json.dumps(values).encode(), _MODEL, most=most)


def test_bytes_and_text():
    request = _parse(instances=[{"b64": "aGk="}, "hé"])
    assert request.signature is _FILES
    assert list(request.rows) == [{"image_bytes": b"hi"}, {"image_bytes": "hé".encode()}]


def test_rows_and_columns_of_several_inputs_are_the_same():
    by_row = _parse(signature_name="two", instances=[{"a": [1, 2.5], "b": 3}, {"b": 4, "a": [5, 6]}])
    by_column = _parse(signature_name="two", inputs={"a": [[1, 2.5], [5, 6]], "b": [3, 4]})
    for request in (by_row, by_column):
        assert [(row["a"].tolist(), int(row["b"])) for row in request.rows] == [([1.0, 2.5], 3), ([5.0, 6.0], 4)]
        assert (request.rows[0]["a"].dtype, request.rows[0]["b"].dtype) == (np.float32, np.int64)
    assert (by_row.by_row, by_column.by_row) == (True, False)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"signature_name": "two", "inputs": {"a": [[1, 2]], "b": [1, 2]}}, "as many values as each other"),
        ({"signature_name": "two", "inputs": {"a": [[1, 2]]}}, "inputs lacks b"),
        ({"signature_name": "two", "inputs": [[1, 2]]}, "must be an object with a, b"),
        ({"signature_name": "two", "inputs": {"a": 1, "b": 1}}, "a must be a list"),
        ({"signature_name": "two", "instances": [{"a": [1, 2], "b": 1, "c": 1}]}, "'c' is no input of two"),
        ({"signature_name": "two", "instances": [{"a": [1, 2], "b": 2**60}]}, "whole numbers from"),
        ({"signature_name": "x\ny" * 99, "instances": [1]}, "got 'x"),
    ],
)
def test_what_does_not_fit_is_a_line(values, said):
    with pytest.raises(Refused) as refused:
        _parse(**values)
    assert (refused.value.status, said in refused.value.message) == (400, True), refused.value.message
    assert len(refused.value.message) < 300
    assert "\n" not in refused.value.message


def test_too_many_images():
    with pytest.raises(Refused, match="too many images: 11 in a request, the limit is 10") as refused:
        _parse(instances=["x"] * 11)
    assert refused.value.status == 413


def test_answers():
    request = _parse(instances=["x"])
    row = {"label": b"f\xc3\xa9", "p": np.array([0.25, 0.5], np.float32)}
    assert requests.answer(request, [row]).decode() == '{"predictions": [{"label": "fé", "p": [0.25, 0.5]}]}'
    request = _parse(inputs=["x", "y"])
    assert json.loads(requests.answer(request, [row, row])) == {
        "outputs": {"label": ["fé"] * 2, "p": [[0.25, 0.5]] * 2}
    }
    request = _parse(signature_name="two", instances=[{"a": [1, 2], "b": 1}])
    assert json.loads(requests.answer(request, [{"out_bytes": b"\xff"}])) == {"predictions": [{"b64": "/w=="}]}
