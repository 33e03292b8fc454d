"""Clipping after the reduction, loss scaling over all replicas, weight decay."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.config import TrainingConfig
from trainers.runtime.devices import make_strategy
from trainers.training.optimizer import build_optimizer, make_optimizer


def _apply(strategy, config, per_replica, policy="float32", rate=1.0, steps=1):
    """Applies one gradient a replica to a variable that starts at [3, 4]; returns it and the optimizer."""
    with strategy.scope():
        variable = keras.Variable([3.0, 4.0])
        optimizer = make_optimizer(config, policy=policy)
        build_optimizer(optimizer, [variable])
    optimizer.learning_rate.assign(rate)

    @tf.function
    def step():
        def replica():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            optimizer.apply([tf.gather(tf.constant(per_replica), number)], [variable])

        strategy.run(replica)

    for _ in range(steps):
        step()
    return variable, optimizer


def test_gradients_are_summed_once_and_clipped_after_that():
    # the sum is [6, 8] of norm 10, clipped to norm 5: [3, 4]. Clipped before the sum: [5, 5] to [8, 6] or so
    config = TrainingConfig(optimizer="sgd", gradient_clip_norm=5.0)
    two, _ = _apply(make_strategy("mirrored"), config, [[6.0, 0.0], [0.0, 8.0]])
    one, _ = _apply(tf.distribute.OneDeviceStrategy("/cpu:0"), config, [[6.0, 8.0]])
    nesterov = 1 + 0.9
    np.testing.assert_allclose(one.numpy(), [3 - 3 * nesterov, 4 - 4 * nesterov], rtol=1e-6)
    np.testing.assert_allclose(two.numpy(), one.numpy(), rtol=1e-6)


def test_without_clipping_the_sum_is_applied():
    config = TrainingConfig(optimizer="sgd")
    two, _ = _apply(make_strategy("mirrored"), config, [[1.0, 0.0], [1.0, 2.0]], rate=0.1)
    np.testing.assert_allclose(two.numpy(), [3 - 0.1 * 2 * 1.9, 4 - 0.1 * 2 * 1.9], rtol=1e-6)


@pytest.mark.parametrize("overflowing", [0, 1])
def test_an_overflow_on_one_replica_skips_the_step_on_all(overflowing):
    gradients = [[1.0, 1.0], [1.0, 1.0]]
    gradients[overflowing] = [np.inf, 1.0]
    variable, optimizer = _apply(
        make_strategy("mirrored"), TrainingConfig(optimizer="sgd"), gradients, policy="mixed_float16", steps=2
    )
    np.testing.assert_array_equal(variable.numpy(), [3.0, 4.0])
    assert optimizer.dynamic_scale.numpy() == 2**15 / 4  # halved twice
    assert optimizer.iterations.numpy() == 0


def test_loss_scaling_divides_what_scale_loss_multiplied():
    config = TrainingConfig(optimizer="sgd")
    one, optimizer = _apply(
        tf.distribute.OneDeviceStrategy("/cpu:0"), config, [[2.0**15, 0.0]], policy="mixed_float16", rate=0.5
    )
    np.testing.assert_allclose(one.numpy(), [3 - 0.5 * 1.9, 4], rtol=1e-6)
    assert optimizer.scale_loss(tf.constant(1.0)).numpy() == 2**15


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_every_optimizer_takes_a_step(name):
    config = TrainingConfig(optimizer=name, weight_decay=0.01)
    variable, _ = _apply(tf.distribute.OneDeviceStrategy("/cpu:0"), config, [[1.0, 1.0]], rate=0.1)
    assert (variable.numpy() < [3.0, 4.0]).all()


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        *(("sgd", "float32"), ("adamw", "mixed_float16")),
        *(pytest.param(name, "float32", marks=pytest.mark.slow) for name in ("adam", "adamw", "rmsprop")),
        *(pytest.param(name, "mixed_float16", marks=pytest.mark.slow) for name in ("adam", "sgd", "rmsprop")),
    ],
)
def test_weight_decay_is_of_kernels_alone(name, policy):
    for strategy in (tf.distribute.OneDeviceStrategy("/cpu:0"), make_strategy("mirrored")):
        with strategy.scope():
            network = keras.Sequential(
                [keras.Input((2,)), keras.layers.Dense(3, bias_initializer="ones"), keras.layers.LayerNormalization()]
            )
            optimizer = make_optimizer(TrainingConfig(optimizer=name, weight_decay=0.5), policy=policy)
            build_optimizer(optimizer, network.trainable_variables)
        optimizer.learning_rate.assign(0.1)
        kernel = network.weights[0].numpy()

        def replica(variables=network.trainable_variables, optimizer=optimizer):
            optimizer.apply([tf.zeros(variable.shape) for variable in variables], variables)

        tf.function(lambda strategy=strategy, replica=replica: strategy.run(replica))()
        after = {variable.name: variable.numpy() for variable in network.trainable_variables}
        np.testing.assert_allclose(after["kernel"], kernel * (1 - 0.1 * 0.5), rtol=1e-6)
        for vector, value in (("bias", 1.0), ("gamma", 1.0), ("beta", 0.0)):
            np.testing.assert_array_equal(after[vector], np.full(3, value, np.float32))


def test_no_clipping_is_asked_for_by_leaving_it_out():
    with pytest.raises(ValueError, match="^gradient_clip_norm must be above 0, got 0: none switches clipping off"):
        TrainingConfig(gradient_clip_norm=0.0)
