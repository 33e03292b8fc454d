"""Draws from Beta(alpha, alpha) as a function of uniform numbers, so that they are stateless and compile.

TensorFlow makes them from gamma variates, whose operation (StatelessRandomGammaV3) XLA does not have.
"""

import numpy as np
import tensorflow as tf
from scipy import special

_CELLS = 4096  # of the table; within one the distribution function is off by less than 1 / (2 * _CELLS)


def beta_quantiles(alpha: float) -> np.ndarray:
    """The quantiles of Beta(alpha, alpha) at probabilities 0 to 1/2 in equal steps, float32 [_CELLS + 1].

    The upper half mirrors the lower. Any finite alpha above 0 will do: towards 0 the values go to 0 (or 1: nothing is
    mixed), towards infinity to 1/2.
    """
    probabilities = np.linspace(0.0, 0.5, _CELLS + 1)
    probabilities[0] = 2.0**-25  # not 0, where 0 lies, far from all others at a large alpha; the least drawn is 2^-24
    alpha = max(alpha, 1e-300)  # below scipy gives nonsense; nothing is mixed here either
    below = special.betaincinv(alpha, alpha, probabilities)
    return np.maximum.accumulate(below).astype(np.float32)  # at extreme alphas it wavers in the last digits


def beta_sample(u: tf.Tensor, quantiles: np.ndarray) -> tf.Tensor:
    """The values of Beta(alpha, alpha) that belong to probabilities `u` in [0, 1); float32, the shape of `u`."""
    table = tf.constant(quantiles)
    place = tf.minimum(u, 1 - u) * (2.0 * _CELLS)
    cell = tf.minimum(tf.cast(place, tf.int32), _CELLS - 1)
    low, high = tf.gather(table, cell), tf.gather(table, cell + 1)
    value = low + (place - tf.cast(cell, tf.float32)) * (high - low)
    return tf.where(u < 0.5, value, 1 - value)
