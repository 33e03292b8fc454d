"""RandomGrayscale: takes the colours of an image away."""

from typing import Any

import keras
import tensorflow as tf

from ftdata.augment.color import grey
from ftdata.augment.sampled_layer import Parameters, SampledLayer, Side, at_most_one, uniform


# In place of keras.layers.RandomGrayscale, which draws from a variable while it is applied.
@keras.saving.register_keras_serializable(package="ftdata")
class RandomGrayscale(SampledLayer):
    """Replaces red, green and blue of some images by their grey (ITU-R BT.601, as PIL's mode L without its rounding).

    Args:
      probability: share of the images that become grey, from 0 to 1; 0.2 is usual.
      **kwargs: `seed`, `name`, `dtype`.

    Input shape:
      [batch, height, width, channels] or [height, width, channels] with 1 or 3 channels, uint8 or float.

    Output shape:
      That of the input; of the layer's compute dtype.

    Raises:
      UserError: a probability out of range.

    Example:
      >>> import numpy as np
      >>> RandomGrayscale(0.2)(np.zeros((8, 48, 64, 3), np.uint8), training=True).shape
      TensorShape([8, 48, 64, 3])
    """

    def __init__(self, probability: float = 0.2, **kwargs: Any):
        super().__init__(**kwargs)
        self.probability = at_most_one("probability", probability)

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """`is_grey`, bool [batch]."""
        return {"is_grey": uniform([batch_size], seed) < self.probability}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """float32 [batch, height, width, channels]."""
        images = tf.cast(images, tf.float32)
        return tf.where(parameters["is_grey"][:, None, None, None], grey(images), images)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "probability": self.probability}
