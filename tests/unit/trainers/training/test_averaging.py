"""Running averages of the weights: their arithmetic, where they live, and how they come into the model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.config import TrainingConfig
from trainers.runtime.devices import make_strategy
from trainers.training.averaging import averaged_weights, restart_averages
from trainers.training.optimizer import build_optimizer, make_optimizer, optimizer_state


def _averaged(strategy, policy, gradients, *, decay):
    """Steps of descent with momentum at rate 1 from 3, with a statistic that counts them.

    Returns (value, statistic) after each, the optimizer and the variables.
    """
    with strategy.scope():
        variable, statistic = keras.Variable(3.0), keras.Variable(0.0, trainable=False)
        optimizer = make_optimizer(TrainingConfig(optimizer="sgd", ema_decay=decay), policy=policy)
        build_optimizer(optimizer, [variable], statistics=[statistic])
    optimizer.learning_rate.assign(1.0)
    replicas = strategy.num_replicas_in_sync

    @tf.function
    def step(gradient):
        def replica():
            statistic.assign_add(1.0)
            optimizer.apply([optimizer.scale_loss(gradient / replicas)], [variable])

        strategy.run(replica)

    seen = []
    for gradient in gradients:
        step(tf.constant(gradient))
        seen.append((float(variable.numpy()), float(statistic.numpy())))
    return seen, optimizer, (variable, statistic)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("devices", ["one_device", "mirrored"])
@pytest.mark.parametrize("decay", [pytest.param(0.25, marks=pytest.mark.slow), (0.9999, 0.25, 0.1)])
def test_averages_warm_up_over_the_steps_that_were_applied(devices, policy, decay):
    gradients = [1.0, -2.0, np.inf if policy == "mixed_float16" else 0.5, 1.0, 0.25]
    seen, optimizer, held = _averaged(make_strategy(devices), policy, gradients, decay=decay)
    for highest in decay if isinstance(decay, tuple) else (decay,):
        expected, applied = np.array([3.0, 0.0]), 0
        for gradient, values in zip(gradients, seen, strict=True):
            if np.isfinite(gradient):  # a step that is skipped moves no average, and is not counted
                share = min(highest, (1 + applied) / (10 + applied))
                expected, applied = share * expected + (1 - share) * np.array(values), applied + 1
        with averaged_weights(optimizer, highest):
            np.testing.assert_allclose([v.numpy() for v in held], expected, rtol=1e-5)
        np.testing.assert_array_equal([v.numpy() for v in held], seen[-1])


def test_the_first_average_of_several_has_the_bits_of_one_alone():
    gradients = [1.0, -2.0, 0.5, 1.0, 0.25]
    found = []
    for decay in (0.25, (0.25, 0.9999)):
        _, optimizer, held = _averaged(make_strategy("one_device"), "float32", gradients, decay=decay)
        with averaged_weights(optimizer):
            found.append([float(v.numpy()) for v in held])
    assert found[0] == found[1]


@pytest.mark.parametrize(("decay", "count"), [(0.9, 1), ((0.9, 0.99), 3)])
def test_averages_start_at_the_weights_and_belong_to_the_state(decay, count):
    _, optimizer, held = _averaged(make_strategy("mirrored"), "float32", [], decay=decay)
    with averaged_weights(optimizer):
        assert [float(v.numpy()) for v in held] == [3.0, 0.0]
    # that of the statistic, and of every further decay both; the optimizer keeps the average of its variable itself
    assert len(optimizer_state(optimizer)) == len(optimizer.variables) + count


def test_averages_that_start_again_are_the_weights():
    seen, optimizer, held = _averaged(make_strategy("one_device"), "float32", [1.0, 2.0], decay=(0.9, 0.99))
    restart_averages(optimizer)
    for decay in (0.9, 0.99):
        with averaged_weights(optimizer, decay):
            assert tuple(float(v.numpy()) for v in held) == seen[-1]


def test_without_averaging_nothing_is_swapped_or_added():
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        variable = keras.Variable([3.0, 4.0])
        optimizer = make_optimizer(TrainingConfig(optimizer="sgd"), policy="float32")
        build_optimizer(optimizer, [variable])
    with averaged_weights(optimizer):
        np.testing.assert_array_equal(variable.numpy(), [3.0, 4.0])
    assert optimizer_state(optimizer) == optimizer.variables


def test_an_average_that_forgets_at_once_is_the_weights():
    seen, optimizer, held = _averaged(make_strategy("one_device"), "float32", [1.0, -2.0, 0.5], decay=(0.0, 0.9))
    assert optimizer.ema_momentum == 0.0
    with averaged_weights(optimizer, 0.0):
        np.testing.assert_allclose([v.numpy() for v in held], seen[-1], rtol=1e-6)
