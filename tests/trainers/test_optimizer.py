"""Clipping after the reduction, loss scaling over all replicas, averaged weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers import optimizer
from trainers.config import TrainingConfig
from trainers.strategy import create


def _apply(strategy, config, per_replica, policy="float32", rate=1.0, steps=1):
    """Applies one gradient a replica to a variable that starts at [3, 4]; returns it and the optimizer."""
    with strategy.scope():
        variable = keras.Variable([3.0, 4.0])
        adjust = optimizer.create(config, policy=policy)
        adjust.build([variable])
    adjust.learning_rate.assign(rate)

    @tf.function
    def step():
        def replica():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            adjust.apply([tf.gather(tf.constant(per_replica), number)], [variable])

        strategy.run(replica)

    for _ in range(steps):
        step()
    return variable, adjust


def test_gradients_are_summed_once_and_clipped_after_that():
    # the sum is [6, 8] of norm 10, clipped to norm 5: [3, 4]. Clipped before the sum: [5, 5] to [8, 6] or so
    config = TrainingConfig(optimizer="sgd", gradient_clip_norm=5.0)
    two, _ = _apply(create("mirrored"), config, [[6.0, 0.0], [0.0, 8.0]])
    one, _ = _apply(tf.distribute.OneDeviceStrategy("/cpu:0"), config, [[6.0, 8.0]])
    nesterov = 1 + 0.9
    np.testing.assert_allclose(one.numpy(), [3 - 3 * nesterov, 4 - 4 * nesterov], rtol=1e-6)
    np.testing.assert_allclose(two.numpy(), one.numpy(), rtol=1e-6)


def test_without_clipping_the_sum_is_applied():
    config = TrainingConfig(optimizer="sgd")
    two, _ = _apply(create("mirrored"), config, [[1.0, 0.0], [1.0, 2.0]], rate=0.1)
    np.testing.assert_allclose(two.numpy(), [3 - 0.1 * 2 * 1.9, 4 - 0.1 * 2 * 1.9], rtol=1e-6)


@pytest.mark.parametrize("overflowing", [0, 1])
def test_an_overflow_on_one_replica_skips_the_step_on_all(overflowing):
    gradients = [[1.0, 1.0], [1.0, 1.0]]
    gradients[overflowing] = [np.inf, 1.0]
    variable, adjust = _apply(
        create("mirrored"), TrainingConfig(optimizer="sgd"), gradients, policy="mixed_float16", steps=2
    )
    np.testing.assert_array_equal(variable.numpy(), [3.0, 4.0])
    assert adjust.dynamic_scale.numpy() == 2**15 / 4  # halved twice
    assert adjust.iterations.numpy() == 0


def test_loss_scaling_divides_what_scale_loss_multiplied():
    config = TrainingConfig(optimizer="sgd")
    one, adjust = _apply(
        tf.distribute.OneDeviceStrategy("/cpu:0"), config, [[2.0**15, 0.0]], policy="mixed_float16", rate=0.5
    )
    np.testing.assert_allclose(one.numpy(), [3 - 0.5 * 1.9, 4], rtol=1e-6)
    assert adjust.scale_loss(tf.constant(1.0)).numpy() == 2**15


def test_averaged_weights_are_in_place_inside_the_block_only():
    config = TrainingConfig(optimizer="sgd", ema_decay=0.5)
    for strategy in (tf.distribute.OneDeviceStrategy("/cpu:0"), create("mirrored")):
        shares = [[1.0, 0.0]] if strategy.num_replicas_in_sync == 1 else [[0.5, 0.0], [0.5, 0.0]]
        variable, adjust = _apply(strategy, config, shares, rate=0.1, steps=3)
        trained = variable.numpy().copy()
        path = [3.0]
        momentum = 0.0
        for _ in range(3):  # Keras's nesterov momentum
            momentum = 0.9 * momentum - 0.1
            path.append(path[-1] + 0.9 * momentum - 0.1)
        average = path[1]  # the average starts at the weights after the first step
        for value in path[2:]:
            average = 0.5 * average + 0.5 * value
        with optimizer.averaged_weights(adjust):
            np.testing.assert_allclose(variable.numpy()[0], average, rtol=1e-5)
        np.testing.assert_array_equal(variable.numpy(), trained)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_every_optimizer_takes_a_step(name):
    config = TrainingConfig(optimizer=name, weight_decay=0.01)
    variable, _ = _apply(tf.distribute.OneDeviceStrategy("/cpu:0"), config, [[1.0, 1.0]], rate=0.1)
    assert (variable.numpy() < [3.0, 4.0]).all()


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_weight_decay_is_of_kernels_alone(name, policy):
    for strategy in (tf.distribute.OneDeviceStrategy("/cpu:0"), create("mirrored")):
        with strategy.scope():
            network = keras.Sequential(
                [keras.Input((2,)), keras.layers.Dense(3, bias_initializer="ones"), keras.layers.LayerNormalization()]
            )
            adjust = optimizer.create(TrainingConfig(optimizer=name, weight_decay=0.5), policy=policy)
            optimizer.build(adjust, network.trainable_variables)
        adjust.learning_rate.assign(0.1)
        kernel = network.weights[0].numpy()

        def replica(variables=network.trainable_variables, adjust=adjust):
            adjust.apply([tf.zeros(variable.shape) for variable in variables], variables)

        tf.function(lambda strategy=strategy, replica=replica: strategy.run(replica))()
        after = {variable.name: variable.numpy() for variable in network.trainable_variables}
        np.testing.assert_allclose(after["kernel"], kernel * (1 - 0.1 * 0.5), rtol=1e-6)
        for vector, value in (("bias", 1.0), ("gamma", 1.0), ("beta", 0.0)):
            np.testing.assert_array_equal(after[vector], np.full(3, value, np.float32))
