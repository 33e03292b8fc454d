"""The warning of retracing is dropped where every tracing is of another network, and nothing else is."""

import logging

import pytest
import tensorflow as tf

from trainers.runtime import retracing


class _Heard(logging.Handler):
    def __init__(self):
        super().__init__()
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


@pytest.fixture
def heard():
    handler, logger = _Heard(), logging.getLogger("tensorflow")
    logger.addHandler(handler)
    yield handler.said
    logger.removeHandler(handler)


def _several_models(step):
    """A function made anew for each of eight models, each traced once; `step` makes its source code."""
    for number in range(8):
        tf.function(step(tf.Variable(float(number))), autograph=False)(tf.constant(1.0))


def test_tensorflow_warns_of_several_models_and_is_not_heard_in_the_block(heard):
    with retracing.expected(), retracing.expected():
        _several_models(lambda variable: lambda x: x * variable)
        tf.get_logger().warning("something else")
    assert heard == ["something else"]
    _several_models(lambda variable: lambda x: x + variable)  # other source, as TensorFlow warns twice of any
    assert any("triggered tf.function retracing" in line for line in heard[1:])  # the reason for all this
