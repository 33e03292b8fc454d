"""Draws from Beta(alpha, alpha) as a function of uniform numbers, so that they are stateless and compile.

TensorFlow makes them from gamma variates, whose operation (StatelessRandomGammaV3) XLA does not have.
"""

import numpy as np
import tensorflow as tf

_CELLS = 4096  # of the table; within one the distribution function is off by less than 1 / (2 * _CELLS)


def quantiles(alpha: float) -> np.ndarray:
    """The quantiles of Beta(alpha, alpha) at probabilities 0 to 1/2 in equal steps, float32 [_CELLS + 1].

    The upper half mirrors the lower. The density x^(alpha-1) (1-x)^(alpha-1) is integrated over t = x^m with
    m = min(alpha, 1): there it is x^(alpha-m) (1-x)^(alpha-1), which has no pole at 0.
    """
    power = min(alpha, 1.0)
    t = np.linspace(0.0, 0.5**power, 2**18)
    x = t ** (1 / power)
    density = (2 * x) ** (alpha - power) * (2 * (1 - x)) ** (alpha - 1)  # the factors 2: no underflow at large alpha
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    probabilities = np.linspace(0.0, 1.0, _CELLS + 1) * below[-1]
    return (np.interp(probabilities, below, t) ** (1 / power)).astype(np.float32)


def draw(u: tf.Tensor, quantiles: np.ndarray) -> tf.Tensor:
    """The values of Beta(alpha, alpha) that belong to probabilities `u` in [0, 1); float32, the shape of `u`."""
    table = tf.constant(quantiles)
    place = tf.minimum(u, 1 - u) * (2.0 * _CELLS)
    cell = tf.minimum(tf.cast(place, tf.int32), _CELLS - 1)
    low, high = tf.gather(table, cell), tf.gather(table, cell + 1)
    value = low + (place - tf.cast(cell, tf.float32)) * (high - low)
    return tf.where(u < 0.5, value, 1 - value)
