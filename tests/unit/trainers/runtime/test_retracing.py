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
    """A function made anew for each of eight models, each traced once."""
    for number in range(8):
        variable = tf.Variable(float(number))
        tf.function(lambda x, variable=variable: step(x, variable), autograph=False)(tf.constant(1.0))


def test_tensorflow_warns_of_several_models_and_is_not_heard_in_the_block(heard):
    with retracing.expected(), retracing.expected():
        _several_models(lambda x, variable: x * variable)
        tf.get_logger().warning("something else")
    assert heard == ["something else"]
    _several_models(lambda x, variable: x + variable)
    assert any("triggered tf.function retracing" in line for line in heard[1:])  # the reason for all this
