"""The gradient of the whole batch: the penalty on the distance from the start."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.config import TrainingConfig
from trainers.runtime.devices import make_strategy
from trainers.training.optimizer import build_optimizer, make_optimizer, optimizer_state


def _built(devices, policy="float32", **training):
    """A kernel that starts at [[1, 2]] and is penalized, a head that starts there and is not, and their optimizer."""
    strategy = make_strategy(devices)
    with strategy.scope():
        kernel, head = keras.Variable([[1.0, 2.0]]), keras.Variable([[1.0, 2.0]])
        optimizer = make_optimizer(TrainingConfig(optimizer="sgd", l2_start=0.5, **training), policy=policy)
        build_optimizer(optimizer, [head, kernel], penalized=[kernel], penalty=0.5)
    optimizer.learning_rate.assign(0.1)

    @tf.function
    def step(gradient):
        def replica():
            scaled = optimizer.scale_loss(gradient) / strategy.num_replicas_in_sync
            optimizer.apply([scaled, scaled], [head, kernel])

        strategy.run(replica)

    return kernel, head, optimizer, step


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("devices", ["one_device", "mirrored"])
def test_its_gradient_by_hand_is_added_once(devices, policy):
    kernel, head, _, step = _built(devices, policy)
    kernel.assign([[3.0, 2.0]])
    head.assign([[3.0, 2.0]])
    step(tf.constant([[0.0, 4.0]]))
    nesterov = 1 + 0.9
    # 0.5 * (3 - 1, 2 - 2) beside the gradient of the loss
    np.testing.assert_allclose(kernel.numpy(), [[3 - 0.1 * nesterov * 1.0, 2 - 0.1 * nesterov * 4.0]], rtol=1e-6)
    np.testing.assert_allclose(head.numpy(), [[3, 2 - 0.1 * nesterov * 4.0]], rtol=1e-6)


def test_it_is_clipped_with_the_gradient_of_the_loss():
    kernel, _, _, step = _built("one_device", gradient_clip_norm=1.0)
    kernel.assign([[7.0, 2.0]])
    step(tf.constant([[0.0, 0.0]]))
    np.testing.assert_allclose(kernel.numpy(), [[7 - 0.1 * 1.9 * 1.0, 2]], rtol=1e-6)  # 0.5 * 6 has a norm of 3


def test_where_it_started_belongs_to_the_state():
    kernel, _, optimizer, step = _built("one_device", ema_decay=(0.9, 0.99))
    start = optimizer_state(optimizer)[-1]
    np.testing.assert_array_equal(start.numpy(), [[1.0, 2.0]])
    start.assign([[0.0, 0.0]])  # as a restart does
    step(tf.constant([[0.0, 0.0]]))
    np.testing.assert_allclose(kernel.numpy(), [[1 - 0.1 * 1.9 * 0.5, 2 - 0.1 * 1.9 * 1.0]], rtol=1e-6)


def test_without_a_penalty_there_is_nothing_in_the_state():
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        kernel = keras.Variable([[1.0, 2.0]])
        optimizer = make_optimizer(TrainingConfig(l2_start=0.5), policy="float32")
        build_optimizer(optimizer, [kernel])  # a phase without: transfer
    assert optimizer_state(optimizer) == optimizer.variables
