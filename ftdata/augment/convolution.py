"""RandomConvolution: texture and colours changed by a random kernel, shapes kept."""

from typing import Any

import keras
import tensorflow as tf

from ftdata.augment.sampled_layer import Parameters, SampledLayer, Side, at_most_one, normal, sides, uniform

_SIDE = 3  # of the kernel
_CHANNELS = 3
_MIDDLE = 127.5  # grey level that the kernel leaves alone: pixels count from it, -1 to 1 as the paper's do
_WEIGHTS = _SIDE * _SIDE * _CHANNELS * _CHANNELS


@keras.saving.register_keras_serializable(package="ftdata")
class RandomConvolution(SampledLayer):
    """Blends images with their convolution by a random 3x3 kernel (RandConv, Xu et al., 2020, arXiv:2007.13003).

    A kernel of its own for each image mixes neighbours and channels. Its weights are normal with the variance 1 / (9 *
    channels), which on average keeps the variance of the pixels about the middle grey. The image itself has a uniform
    share in the result, which is cut to 0..255. Outside the image its outermost pixels are repeated.

    Compiled by XLA it is one pass over the pixels; alone on a CPU wrap it in `tf.function(layer, jit_compile=True)`.

    Args:
      probability: share of the images that are changed, from 0 to 1.
      **kwargs: `seed`, `name`, `dtype`.

    Input shape:
      [batch, height, width, channels] or [height, width, channels] with 1 or 3 channels, uint8 or float, pixels from 0
      to 255.

    Output shape:
      That of the input; of the layer's compute dtype.

    Raises:
      UserError: a probability out of range.

    Example:
      >>> import numpy as np
      >>> RandomConvolution(0.5)(np.zeros((8, 48, 64, 3), np.uint8), training=True).shape
      TensorShape([8, 48, 64, 3])
    """

    def __init__(self, probability: float = 0.5, **kwargs: Any):
        super().__init__(**kwargs)
        self.probability = at_most_one("probability", probability)

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """Draws for each image of a batch.

        Returns:
          `kernel`: rows, columns, channels in, channels out, of variance 1/27, float32 [batch, 3, 3, 3, 3]; `keep`: the
          share of the image itself, float32 [batch], 1 where nothing is changed.
        """
        u = uniform([2 + 2 * _WEIGHTS, batch_size], seed)
        weights = normal(u[2 : 2 + _WEIGHTS], u[2 + _WEIGHTS :]) * (_SIDE * _SIDE * _CHANNELS) ** -0.5
        kernel = tf.reshape(tf.transpose(weights), [-1, _SIDE, _SIDE, _CHANNELS, _CHANNELS])
        return {"kernel": kernel, "keep": tf.where(u[0] < self.probability, u[1], 1.0)}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """Changes pixels 0..255, RGB or of one channel; float32 [batch, height, width, channels]."""
        images = tf.cast(images, tf.float32)
        height, width = sides(images)
        channels = 1 if images.shape[-1] == 1 else _CHANNELS
        kernel = parameters["kernel"][..., :channels, :channels] * (_CHANNELS / channels) ** 0.5
        keep = parameters["keep"][:, None, None, None, None]
        itself = tf.pad(tf.eye(channels)[None, None, None], [[0, 0], [1, 1], [1, 1], [0, 0], [0, 0]])
        kernel = keep * itself + (1 - keep) * kernel  # that of the image itself has one weight of 1: no bit changes
        result = (_MIDDLE * (1 - tf.reduce_sum(kernel, axis=(1, 2, 3))))[:, None, None, :]
        padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
        # written out: shifted products are one pass over memory, and no library has a kernel for each image
        for row in range(_SIDE):
            for column in range(_SIDE):
                part = padded[:, row : row + height, column : column + width]
                for k in range(channels):
                    result += part[..., k : k + 1] * kernel[:, row, column, k][:, None, None, :]
        return tf.clip_by_value(result, 0.0, 255.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "probability": self.probability}
