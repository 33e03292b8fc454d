"""Layers that change colors: RandomChannelShift, RandomBrightnessFactor, RandomColorJitter."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ftdata.augment.sampled_layer import (
    Parameters,
    SampledLayer,
    Side,
    at_least_zero,
    at_most_one,
    is_number,
    plain,
    uniform,
)
from ftdata.errors import UserError

_LUMA = (0.299, 0.587, 0.114)  # grey of RGB by ITU-R BT.601, as in PIL


@keras.saving.register_keras_serializable(package="ftdata")
class RandomChannelShift(SampledLayer):
    """Adds one drawn grey level to all channels, clipped to the image's own range, as
    `ImageDataGenerator(channel_shift_range=...)` does (its `apply_channel_shift`).

    Args:
      channel_shift_range: r, grey levels; the level is drawn from [-r, r] for each image.
      **kwargs: `seed`, `name`, `dtype`.

    Input shape:
      [batch, height, width, channels] or [height, width, channels], uint8 or float.

    Output shape:
      That of the input; of the layer's compute dtype.

    Raises:
      UserError: a range that is no number >= 0.

    Example:
      >>> import numpy as np
      >>> RandomChannelShift(30.0)(np.zeros((8, 48, 64, 3), np.uint8), training=True).shape
      TensorShape([8, 48, 64, 3])
    """

    def __init__(self, channel_shift_range: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.channel_shift_range = at_least_zero("channel_shift_range", channel_shift_range)

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """`channel_shift_intensity`, grey levels in [-r, r], float32 [batch]."""
        u = uniform([batch_size], seed)
        return {"channel_shift_intensity": (2 * u - 1) * self.channel_shift_range}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """float32 [batch, height, width, channels]."""
        images = tf.cast(images, tf.float32)
        low = tf.reduce_min(images, axis=(1, 2, 3), keepdims=True)
        high = tf.reduce_max(images, axis=(1, 2, 3), keepdims=True)
        shifted = images + parameters["channel_shift_intensity"][:, None, None, None]
        return tf.clip_by_value(shifted, low, high)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "channel_shift_range": self.channel_shift_range}


@keras.saving.register_keras_serializable(package="ftdata")
class RandomBrightnessFactor(SampledLayer):
    """Multiplies pixels by a drawn factor with `ImageDataGenerator(brightness_range=...)`'s rounding: down
    to whole grey levels before and after, clipped to 0..255 (PIL's ImageEnhance.Brightness).

    Args:
      brightness_range: (low, high) of the factor, 0 <= low <= high; 1 changes nothing.
      **kwargs: `seed`, `name`, `dtype`.

    Input shape:
      [batch, height, width, channels] or [height, width, channels], uint8 or float, pixels from 0 to 255.

    Output shape:
      That of the input; of the layer's compute dtype.

    Raises:
      UserError: a range that is not understood.

    Example:
      >>> import numpy as np
      >>> RandomBrightnessFactor((0.5, 1.5))(np.zeros((8, 48, 64, 3), np.uint8), training=True).shape
      TensorShape([8, 48, 64, 3])
    """

    def __init__(self, brightness_range: Sequence[float] = (1.0, 1.0), **kwargs: Any):
        super().__init__(**kwargs)
        low, high = map(plain, brightness_range)
        if not (is_number(high) and 0 <= low <= high):
            raise UserError(f"brightness_range must be low, high with 0 <= low <= high, got {brightness_range!r}")
        self.brightness_range = (float(low), float(high))

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """`brightness`, a factor, float32 [batch]."""
        low, high = self.brightness_range
        return {"brightness": low + uniform([batch_size], seed) * (high - low)}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """float32 [batch, height, width, channels] of whole numbers from 0 to 255."""
        whole = tf.floor(tf.cast(images, tf.float32))
        return tf.floor(tf.clip_by_value(whole * parameters["brightness"][:, None, None, None], 0.0, 255.0))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "brightness_range": self.brightness_range}


# In place of keras.layers.RandomColorJitter, which draws from variables while it is applied, and changes the
# saturation in HSV, there and back.
@keras.saving.register_keras_serializable(package="ftdata")
class RandomColorJitter(SampledLayer):
    """Brightness, contrast and saturation by drawn factors, in this order; the hue stays.

    Each is a blend with an image that lacks it, as in PIL's ImageEnhance (Brightness, Contrast, Color) without its
    rounding: black, a plain of the mean grey, the grey image. A factor 1 changes nothing, 0 leaves the plain image;
    after each the pixels are cut to 0..255.

    Args:
      strength: s from 0 to 1; each factor is drawn from [1 - s, 1 + s]. 0.4 is usual; near 1 some
        images lose all they show.
      **kwargs: `seed`, `name`, `dtype`.

    Input shape:
      [batch, height, width, channels] or [height, width, channels] with 1 or 3 channels, uint8 or float, pixels from 0
      to 255.

    Output shape:
      That of the input; of the layer's compute dtype.

    Raises:
      UserError: a strength out of range.

    Example:
      >>> import numpy as np
      >>> RandomColorJitter(0.4)(np.zeros((8, 48, 64, 3), np.uint8), training=True).shape
      TensorShape([8, 48, 64, 3])
    """

    def __init__(self, strength: float = 0.4, **kwargs: Any):
        super().__init__(**kwargs)
        self.strength = at_most_one("strength", strength)

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """`brightness`, `contrast` and `saturation`, factors, float32 [batch]."""
        factors = 1 + (2 * uniform([3, batch_size], seed) - 1) * self.strength
        return {"brightness": factors[0], "contrast": factors[1], "saturation": factors[2]}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """Changes pixels 0..255, RGB or of one channel; float32 [batch, height, width, channels]."""
        images = tf.cast(images, tf.float32)
        images = _blend(0.0, images, parameters["brightness"])
        plain = tf.reduce_mean(grey(images), axis=(1, 2, 3), keepdims=True)
        images = _blend(plain, images, parameters["contrast"])
        return _blend(grey(images), images, parameters["saturation"])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "strength": self.strength}


def _blend(without: tf.Tensor | float, images: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    factor = tf.cast(factor, tf.float32)[:, None, None, None]
    return tf.clip_by_value(factor * images + (1 - factor) * without, 0.0, 255.0)  # exact for a factor of 1


def grey(images: tf.Tensor) -> tf.Tensor:
    """The grey of RGB, or the one channel: [batch, height, width, 1]."""
    if images.shape[-1] == 1:
        return images
    return tf.reduce_sum(images * tf.constant(_LUMA), axis=-1, keepdims=True)
