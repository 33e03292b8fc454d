"""The gradient of the whole batch: summed over the replicas, with the penalty's added, then clipped."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class Reduction:
    """What an optimizer does with the replicas' gradients before it updates.

    Keras clips each replica's share before it reduces, so that N replicas differ from one. Its reduction is a private
    method of the instance, in whose place this is put; a test pins it.

    The penalty is strength / 2 times the squared distance of kernels from where they started, L2-SP (Li, Grandvalet and
    Davoine, 2018, arXiv:1802.01483); its gradient, strength * (kernel - start), is that of the loss: it is clipped with
    it, and adaptive optimizers see it. Once for all replicas, and never scaled by loss scaling.

    Args:
      optimizer: that updates.
      clip_norm: the largest global norm of the gradient; None for no clipping.

    Attributes:
      starts: of the kernels that are penalized, part of the training state.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer, *, clip_norm: float | None):
        self._optimizer, self._clip_norm = optimizer, clip_norm
        self._sum = optimizer._all_reduce_sum_gradients
        self._strength = 0.0
        self._start_of: dict[int, keras.Variable] = {}  # by the kernel's place among the trainable variables

    @property
    def starts(self) -> list[keras.Variable]:
        """Where the penalized kernels started."""
        return list(self._start_of.values())

    def penalize(self, kernels: Sequence[keras.Variable], *, strength: float) -> None:
        """Adds the penalty on the distance of some of the built optimizer's variables from their present values."""
        self._strength = strength
        for kernel in kernels:
            start = keras.Variable(kernel.numpy(), dtype=kernel.dtype, trainable=False)
            self._start_of[self._optimizer._get_variable_index(kernel)] = start

    def __call__(self, grads_and_variables: Any) -> list[tuple[Any, Any]]:
        """(gradient of this replica, variable) -> (gradient of all, variable), in a replica's context."""
        pairs = list(self._sum(grads_and_variables))
        gradients = [self._with_penalty(gradient, variable) for gradient, variable in pairs]
        if self._clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm)
        return [(gradient, variable) for gradient, (_, variable) in zip(gradients, pairs, strict=True)]

    def _with_penalty(self, gradient: tf.Tensor, variable: tf.Variable) -> tf.Tensor:
        start = self._start_of.get(self._optimizer._get_variable_index(variable))
        return gradient if start is None else gradient + self._strength * (variable - start.value)
