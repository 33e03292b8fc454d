"""BackgroundMixing: an object before the surroundings of another one."""

from typing import Any

import keras
import tensorflow as tf

from ftdata.augment.mixing import partner_of
from ftdata.augment.sampled_layer import Parameters, SampledLayer, Side, at_most_one, real, sides, uniform

_RADIUS = (0.5, 0.9)  # of what is shown whole, in half sides
_RAMP = 0.3  # over which the other image comes in, likewise
_EVERYTHING = 2.0  # a radius that reaches beyond the corners


@keras.saving.register_keras_serializable(package="ftdata")
class BackgroundMixing(SampledLayer):
    """Shows the middle of an image before the border of its partner's, for what is photographed in the middle.

    Places 2k and 2k + 1 of the batch are partners, as in PairMixing. Within an ellipse about the centre, whose radius
    is 0.5 to 0.9 of half a side, an image is shown whole; from there its share falls evenly, over 0.3 of half a side,
    to nothing. The rest is the partner's. The label stays, so that what surrounds the object says nothing about it.

    Args:
      probability: share of the images that get another border, from 0 to 1.
      **kwargs: `seed`, `name`, `dtype`.

    Input shape:
      [batch, height, width, channels], uint8 or float. The batch has to be even.

    Output shape:
      That of the input; of the layer's compute dtype.

    Raises:
      UserError: a probability out of range.
      ValueError: when called, an odd batch.

    Example:
      >>> import numpy as np
      >>> BackgroundMixing(0.5)(np.zeros((8, 48, 64, 3), np.uint8), training=True).shape
      TensorShape([8, 48, 64, 3])
    """

    def __init__(self, probability: float = 0.5, **kwargs: Any):
        super().__init__(**kwargs)
        self.probability = at_most_one("probability", probability)

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """`radius` of what is shown whole, in half sides, float32 [batch]; 2 where that is everything."""
        u = uniform([2, batch_size], seed)
        low, high = _RADIUS
        return {"radius": tf.where(u[0] < self.probability, low + u[1] * (high - low), _EVERYTHING)}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """Mixes images of an even batch as `sample` says; float32 [batch, height, width, channels]."""
        images = tf.cast(images, tf.float32)
        rows, columns = (_from_the_centre(side) for side in sides(images))
        distance = tf.sqrt(rows[:, None] ** 2 + columns[None, :] ** 2)[None, :, :, None]
        radius = tf.cast(parameters["radius"], tf.float32)[:, None, None, None]
        own = tf.clip_by_value((radius + _RAMP - distance) / _RAMP, 0.0, 1.0)
        return own * images + (1 - own) * partner_of(images)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "probability": self.probability}


def _from_the_centre(side: Side) -> tf.Tensor:
    """Of the centres of the pixels, in half sides, float32 [side]."""
    return (2 * tf.range(real(side), dtype=tf.float32) + 1) / real(side) - 1
