"""A learning rate of its own for each variable."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.config import TrainingConfig
from trainers.runtime.devices import make_strategy
from trainers.training.optimizer import build_optimizer, make_optimizer


def _trained(config, *, factors=(), devices="one_device", policy="float32", rate=0.1, steps=3):
    """Two kernels that start at [[1, -2]], after steps with gradients that change."""
    strategy = make_strategy(devices)
    with strategy.scope():
        kernels = [keras.Variable([[1.0, -2.0]]) for _ in range(2)]
        optimizer = make_optimizer(config, policy=policy)
        build_optimizer(optimizer, kernels, rate_factors=factors)
    optimizer.learning_rate.assign(rate)

    @tf.function
    def step(gradient):
        def replica():
            scaled = optimizer.scale_loss(gradient) / strategy.num_replicas_in_sync
            optimizer.apply([scaled, scaled], kernels)

        strategy.run(replica)

    for number in range(steps):
        step(tf.constant([[0.5, -1.0]]) * (number + 1.0))
    return [kernel.numpy() for kernel in kernels]


@pytest.mark.parametrize(
    ("optimizer", "update"),
    [
        ("sgd", [[1.9 * 0.5, 1.9 * -1.0]]),  # with Nesterov momentum 0.9
        ("adam", [[1.0, -1.0]]),  # of the first step: the sign
    ],
)
def test_a_step_by_hand(optimizer, update):
    config = TrainingConfig(optimizer=optimizer, weight_decay=0.2)
    lower, full = _trained(config, factors=[0.25, 1.0], rate=0.1, steps=1)
    start, update = np.array([[1.0, -2.0]]), np.array(update)
    np.testing.assert_allclose(full, start * (1 - 0.1 * 0.2) - 0.1 * update, rtol=1e-5)
    np.testing.assert_allclose(lower, start * (1 - 0.025 * 0.2) - 0.025 * update, rtol=1e-5)


_OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")


@pytest.mark.parametrize(
    ("name", "devices", "policy"),
    [
        *((name, "one_device", "float32") for name in ("sgd", "adam")),
        *(pytest.param(name, "one_device", "float32", marks=pytest.mark.slow) for name in ("adamw", "rmsprop")),
        *(pytest.param(name, "mirrored", "mixed_float16", marks=pytest.mark.slow) for name in _OPTIMIZERS),
    ],
)
def test_a_factor_is_training_at_that_rate(name, devices, policy):
    config = TrainingConfig(optimizer=name, weight_decay=0.2, gradient_clip_norm=2.0, ema_decay=0.9)
    options = {"devices": devices, "policy": policy}
    found = _trained(config, factors=[0.25, 1.0], **options)
    for kernel, rate in zip(found, (0.025, 0.1), strict=True):
        np.testing.assert_allclose(kernel, _trained(config, rate=rate, **options)[0], rtol=1e-6)
    assert np.abs(found[0] - found[1]).min() > 1e-3


def test_two_devices_take_the_step_by_hand():
    config = TrainingConfig(optimizer="sgd", weight_decay=0.2)
    lower, _ = _trained(config, factors=[0.25, 1.0], devices="mirrored", rate=0.1, steps=1)
    expected = [[1 * (1 - 0.025 * 0.2) - 0.025 * 1.9 * 0.5, -2 * (1 - 0.025 * 0.2) + 0.025 * 1.9]]
    np.testing.assert_allclose(lower, expected, rtol=1e-5)


def test_factors_of_one_leave_the_optimizer_alone():
    config = TrainingConfig(optimizer="adamw", weight_decay=0.2)
    found, plain = _trained(config, factors=[1.0, 1.0]), _trained(config)
    np.testing.assert_array_equal(found, plain)
