"""RandAugment: a few operations in a row, drawn from a list, all of one magnitude."""

from typing import Any

import keras
import tensorflow as tf

from ftdata.augment.color import grey
from ftdata.augment.sampled_layer import Parameters, SampledLayer, Side, is_number, plain, sides, uniform
from ftdata.errors import UserError

OPERATIONS = (
    *("identity", "autocontrast", "brightness", "saturation", "contrast", "sharpness", "posterize", "solarize"),
)
_LARGEST = 30  # magnitude
_BLENDS = ("brightness", "saturation", "contrast", "sharpness")
_SMOOTH = 5.0  # weight of a pixel in PIL's filter SMOOTH; its eight neighbours have 1


# In place of keras.layers.RandAugment, which draws from variables, one list of operations for the whole batch, and with
# operations that XLA lacks.
@keras.saving.register_keras_serializable(package="ftdata")
class RandAugment(SampledLayer):
    """The operations of RandAugment (Cubuk et al., 2019, arXiv:1909.13719) that change colours.

    Each image is changed `count` times in a row by one of OPERATIONS, drawn with the same probability. With m =
    magnitude / 30, `brightness`, `saturation`, `contrast` and `sharpness` have the factor 1 + 0.9 m or 1 - 0.9 m, as
    likely; `posterize` keeps 8 - 4 m bits, rounded; `solarize` inverts pixels from 256 (1 - m) on; `autocontrast`
    stretches each channel to 0..255. They are PIL's ImageEnhance and ImageOps without their rounding, and the
    magnitudes torchvision's. Of the paper's list the rotation, shears and shifts are missing, which RandomAffine draws
    in its one read of the image, and `equalize`, as XLA has no fast histogram.

    Args:
      count: of operations in a row, 1 or more; N in the paper.
      magnitude: from 0 to 30; M in the paper.
      **kwargs: `seed`, `name`, `dtype`.

    Input shape:
      [batch, height, width, channels] or [height, width, channels] with 1 or 3 channels, uint8 or float, pixels from 0
      to 255.

    Output shape:
      That of the input; of the layer's compute dtype.

    Raises:
      UserError: a count or a magnitude out of range.

    Example:
      >>> import numpy as np
      >>> RandAugment(count=2, magnitude=9)(np.zeros((8, 48, 64, 3), np.uint8), training=True).shape
      TensorShape([8, 48, 64, 3])
    """

    def __init__(self, count: int = 2, magnitude: float = 9.0, **kwargs: Any):
        super().__init__(**kwargs)
        count, magnitude = plain(count), plain(magnitude)
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UserError(f"count must be a whole number >= 1, got {count!r}")
        if not is_number(magnitude) or not 0 <= magnitude <= _LARGEST:
            raise UserError(f"magnitude must be one number from 0 to {_LARGEST}, got {magnitude!r}")
        self.count, self.magnitude = count, float(magnitude)

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """`operation`: places in OPERATIONS, int32 [batch, count]; `factor` of the blends, float32 likewise."""
        u = uniform([2, self.count, batch_size], seed)
        change = 0.9 * self.magnitude / _LARGEST
        return {
            "operation": tf.transpose(tf.cast(u[0] * len(OPERATIONS), tf.int32)),
            "factor": tf.transpose(tf.where(u[1] < 0.5, 1 - change, 1 + change)),
        }

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """Changes pixels 0..255, RGB or of one channel; float32 [batch, height, width, channels]."""
        images = tf.cast(images, tf.float32)
        for place in range(self.count):
            operation, factor = (parameters[name][:, place, None, None, None] for name in ("operation", "factor"))
            images = self._changed(images, operation, factor)
        return images

    def _changed(self, images: tf.Tensor, operation: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """One operation, all of them written as one: `scale * image + rest * image without something + shift`."""
        takes = {name: tf.equal(operation, place) for place, name in enumerate(OPERATIONS)}
        low, high = (reduce(images, axis=(1, 2), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
        stretch = tf.where(takes["autocontrast"] & (high - low >= 1), 255 / tf.maximum(high - low, 1.0), 1.0)
        blends = takes[_BLENDS[0]] | takes[_BLENDS[1]] | takes[_BLENDS[2]] | takes[_BLENDS[3]]
        without = tf.where(takes["saturation"], grey(images), 0.0)
        without = tf.where(takes["contrast"], tf.reduce_mean(grey(images), axis=(1, 2, 3), keepdims=True), without)
        without = tf.where(takes["sharpness"], _smooth(images), without)
        shift = tf.where(stretch == 1.0, 0.0, -low * stretch)
        images = tf.where(blends, factor, stretch) * images + tf.where(blends, 1 - factor, 0.0) * without + shift
        images = tf.clip_by_value(images, 0.0, 255.0)
        part = self.magnitude / _LARGEST
        images = tf.where(takes["solarize"] & (images >= 256 * (1 - part)), 255 - images, images)
        step = 2.0 ** round(4 * part)
        return tf.where(takes["posterize"], tf.floor(images / step) * step, images) if step > 1 else images

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "count": self.count, "magnitude": self.magnitude}


def _smooth(images: tf.Tensor) -> tf.Tensor:
    """PIL's filter SMOOTH; outside the image its outermost pixels are repeated, where PIL leaves them as they are."""
    height, width = sides(images)
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
    total = (_SMOOTH - 1) * images
    for row in range(3):
        for column in range(3):
            total += padded[:, row : row + height, column : column + width]
    return total / (_SMOOTH + 8)
