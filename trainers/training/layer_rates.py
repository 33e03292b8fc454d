"""A learning rate of its own for each variable."""

from collections.abc import Sequence

import keras
import tensorflow as tf


def set_rate_factors(optimizer: keras.optimizers.Optimizer, factors: Sequence[float]) -> None:
    """Multiplies the learning rate of each variable, and with it its weight decay, by a factor.

    The rate and not the gradient, whose scale Adam divides away. Weight decay is applied here, because Keras would take
    the same rate for all.

    Args:
      optimizer: built, without loss scaling around it.
      factors: of its trainable variables, in order.
    """
    step, decay = optimizer.update_step, optimizer.weight_decay
    optimizer.weight_decay = None

    def update(gradient: tf.Tensor, variable: tf.Variable, learning_rate: keras.Variable) -> None:
        rate = learning_rate * factors[optimizer._get_variable_index(variable)]
        if decay and optimizer._use_weight_decay(variable):
            variable.assign_sub(variable * tf.cast(decay * rate, variable.dtype))
        step(gradient, variable, rate)

    optimizer.update_step = update
