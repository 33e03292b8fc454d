"""What every augmentation layer of this project is: drawing apart from applying.

`sample` is a stateless function of a seed, `apply` a deterministic function of its parameters, so that a
parameter set can be drawn for a global batch and sliced by replica, or repeated after a restart.
"""

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ftdata import seeds
from ftdata.errors import UserError

Side = Any  # of images, in pixels: an int where it is known while the graph is made, else a tensor int32 []
_LARGEST = 1e6  # of an argument; coordinates and pixels computed from larger ones would leave float32
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


def normal(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Standard normal numbers from two of `uniform` each (Box and Muller, 1958); float32 of their shape."""
    return tf.sqrt(-2 * tf.math.log(1 - u)) * tf.cos(2 * 3.141592653589793 * v)


def sides(images: tf.Tensor) -> tuple[Side, Side]:
    """Height and width of images [batch, height, width, channels]."""
    known, shape = images.shape[1:3], tf.shape(images)
    height, width = (shape[1 + axis] if side is None else side for axis, side in enumerate(known))
    return height, width


def real(side: Side) -> Any:
    """A side for arithmetic with fractions: float, or float32 []."""
    return float(side) if isinstance(side, int) else tf.cast(side, tf.float32)


class SampledLayer(keras.layers.Layer):
    """A layer with `sample(batch_size, height, width, seed)` and `apply(images, parameters)`.

    Outside training it gives the images as they are. Layers of different classes draw different numbers from one
    `seed`.

    Args:
      seed: of the layer's own generator, >= 0; drawn at random by default. Numbers may be numpy's.
      **kwargs: `name`, `dtype`.
    """

    def __init__(self, *, seed: int | None = None, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)  # coordinates and pixels stay float32 until the end
        self.seed = _seed(seed)
        own = None if self.seed is None else seeds.number(self.seed, "layer", type(self).__name__)
        self.generator = keras.random.SeedGenerator(own)
        self.supports_jit = True

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """Draws parameters for a batch of images of `height` x `width` pixels from `seed`, a pair of int32."""
        raise NotImplementedError

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """Changes images [batch, height, width, channels] as `parameters` say; float32."""
        raise NotImplementedError

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Keras's own, whose message on a tensor of unknown rank (`tf.io.decode_image` gives one) is not understood."""
        for part in tf.nest.flatten(inputs):
            if tf.is_tensor(part) and part.shape.rank is None:
                # AutoGraph keeps a ValueError as it is, but not an exception of a class of our own
                raise ValueError(
                    f"{type(self).__name__} takes images [height, width, channels] or a batch of them, got a tensor of "
                    "unknown rank: say what it is with tf.ensure_shape(image, [None, None, 3])"
                )
        return super().__call__(inputs, *args, **kwargs)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Draws from the layer's own generator; a single image [height, width, channels] works too, and so do sides
        that are not known before the image is there, as in `tf.data`."""
        images = tf.convert_to_tensor(images)
        if images.shape.rank == 3:
            return self.call(images[None], training=training)[0]
        if not training:
            return tf.cast(self.apply_nothing(images), self.compute_dtype)
        height, width = sides(images)
        seed = tf.cast(self.generator.next(), tf.int32)
        parameters = self.sample(tf.shape(images)[0], height, width, seed)
        return tf.cast(self.apply(images, parameters), self.compute_dtype)

    def apply_nothing(self, images: tf.Tensor) -> tf.Tensor:
        """What the layer gives outside training."""
        return images

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "seed": self.seed}


def plain(value: Any) -> Any:
    """Python's own value of a numpy scalar or an array without dimensions; others as they are."""
    return value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value


def is_number(value: Any) -> bool:
    """Whether a `plain` value is one number that float32 can compute with; truth values are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and abs(float(value)) <= _LARGEST


def at_least_zero(name: str, value: Any) -> float:
    """`value` as a float; UserError names the argument if it is not a number >= 0, or too large."""
    value = plain(value)
    if not is_number(value) or value < 0:
        raise UserError(f"{name} must be one number >= 0 and up to {_LARGEST:g}, got {value!r}")
    return float(value)


def at_most_one(name: str, value: Any) -> float:
    """`value` as a float; UserError names the argument if it is not a number from 0 to 1."""
    value = plain(value)
    if not is_number(value) or not 0 <= value <= 1:
        raise UserError(f"{name} must be one number from 0 to 1, got {value!r}")
    return float(value)


def _seed(value: Any) -> int | None:
    value = plain(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UserError(f"seed must be a whole number >= 0, or None for one drawn at random, got {value!r}")
    return value
