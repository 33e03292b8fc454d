"""What every augmentation layer of this project is: drawing parted from applying.

`sample` is a stateless function of a seed, `apply` a deterministic function of its parameters, so that a
parameter set can be drawn for a global batch and sliced by replica, or repeated after a restart.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

Parameters = Mapping[str, tf.Tensor]


def uniform(shape: Sequence[Any], seed: Any) -> tf.Tensor:
    """Numbers in [0, 1) that are the same eager, compiled and on every device; float32.

    Made from whole numbers of a named algorithm, because `tf.random.stateless_uniform` makes its floats from
    other bits when XLA compiles it.
    """
    bits = tf.random.stateless_uniform(
        shape, seed=tf.cast(seed, tf.int32), minval=None, maxval=None, dtype=tf.int32, alg="philox"
    )
    upper = tf.bitwise.right_shift(tf.bitcast(bits, tf.uint32), tf.constant(8, tf.uint32))
    return tf.cast(upper, tf.float32) * 2.0**-24


class SampledLayer(keras.layers.Layer):
    """A layer with `sample(batch_size, height, width, seed)` and `apply(images, parameters)`."""

    def __init__(self, *, seed: int | None = None, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)  # coordinates and pixels stay float32 until the end
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.supports_jit = True

    def sample(self, batch_size: Any, height: int, width: int, seed: Any) -> dict[str, tf.Tensor]:
        """Draws parameters for a batch of pictures of `height` x `width` pixels from `seed`, a pair of int32."""
        raise NotImplementedError

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """Changes images [batch, height, width, channels] as `parameters` say; float32."""
        raise NotImplementedError

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Draws from the layer's own generator; a single image [height, width, channels] works too."""
        images = tf.convert_to_tensor(images)
        if images.shape.rank == 3:
            return self.call(images[None], training=training)[0]
        if not training:
            return tf.cast(self.apply_nothing(images), self.compute_dtype)
        height, width = images.shape[1:3]
        seed = tf.cast(self.generator.next(), tf.int32)
        parameters = self.sample(tf.shape(images)[0], height, width, seed)
        return tf.cast(self.apply(images, parameters), self.compute_dtype)

    def apply_nothing(self, images: tf.Tensor) -> tf.Tensor:
        """What the layer gives outside training."""
        return images

    def get_config(self) -> dict[str, Any]:
        """Every argument of the constructor."""
        return {**super().get_config(), "seed": self.seed}


def at_least_zero(name: str, value: Any) -> float:
    """`value` as a float; ValueError names the argument if it is not a number >= 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"{name} must be one number >= 0, got {value!r}")
    return float(value)


def at_most_one(name: str, value: Any) -> float:
    """`value` as a float; ValueError names the argument if it is not a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be one number from 0 to 1, got {value!r}")
    return float(value)
