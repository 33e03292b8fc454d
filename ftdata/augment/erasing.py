"""RandomErasing: fills a rectangle of the image."""

from typing import Any

import keras
import tensorflow as tf

from ftdata.augment import rectangles
from ftdata.augment.sampled_layer import Parameters, SampledLayer, Side, at_most_one, sides, uniform

_AREA = (0.02, 0.33)  # of the image; this and the aspects are the paper's
_ASPECT = (0.3, 1 / 0.3)


# In place of keras.layers.RandomErasing, which draws from a variable, knows no aspect, and erases with a
# probability that is itself drawn between 0 and the one given.
@keras.saving.register_keras_serializable(package="ftdata")
class RandomErasing(SampledLayer):
    """Fills a rectangle with the image's mean colour (Zhong et al., 2017, arXiv:1708.04896).

    The rectangle covers 2 to 33% of the image, its width is 0.3 to 3.3 of its height, and it lies inside. The mean of
    each channel is one of the paper's fillings, and near neutral whatever preprocessing the model holds; black is not.

    Args:
      probability: share of the images that lose a rectangle, from 0 to 1.
      **kwargs: `seed`, `name`, `dtype`.

    Input shape:
      [batch, height, width, channels] or [height, width, channels], uint8 or float.

    Output shape:
      That of the input; of the layer's compute dtype.

    Raises:
      UserError: a probability out of range.

    Example:
      >>> import numpy as np
      >>> RandomErasing(0.5)(np.zeros((8, 48, 64, 3), np.uint8), training=True).shape
      TensorShape([8, 48, 64, 3])
    """

    def __init__(self, probability: float = 0.5, **kwargs: Any):
        super().__init__(**kwargs)
        self.probability = at_most_one("probability", probability)

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """`top`, `left`, `bottom`, `right`: the rectangle's edges, int32 [batch] (all 0 where nothing is erased)."""
        u = uniform([5, batch_size], seed)
        top, left, tall, wide = rectangles.draw(u[:4], height=height, width=width, area=_AREA, aspect=_ASPECT)
        erase = u[4] < self.probability
        edges = {"top": top, "left": left, "bottom": top + tall, "right": left + wide}
        return {name: tf.where(erase, tf.cast(tf.round(edge), tf.int32), 0) for name, edge in edges.items()}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """float32 [batch, height, width, channels]."""
        images = tf.cast(images, tf.float32)
        edges = [tf.cast(parameters[name], tf.int32) for name in ("top", "left", "bottom", "right")]
        height, width = sides(images)
        erased = rectangles.mask(*edges, height=height, width=width)
        return tf.where(erased, tf.reduce_mean(images, axis=(1, 2), keepdims=True), images)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "probability": self.probability}
