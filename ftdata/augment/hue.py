"""RandomHue: turns the colours of an image about the grey axis."""

from typing import Any

import keras
import tensorflow as tf

from ftdata.augment.sampled_layer import Parameters, SampledLayer, Side, at_least_zero, uniform
from ftdata.errors import UserError

_HALF_TURN = 180.0


# In place of keras.layers.RandomHue, which draws from a variable while it is applied, and goes through HSV, where dark
# and pale colours have the hue of their noise.
@keras.saving.register_keras_serializable(package="ftdata")
class RandomHue(SampledLayer):
    """Rotates each pixel's (red, green, blue) about the grey axis, by one drawn angle for each image.

    Grey stays grey, and the sum of the three channels stays as it is until the pixels are cut to 0..255. 120 degrees
    turn red into green, green into blue and blue into red.

    Args:
      largest_angle: degrees, from 0 to 180; the angle is drawn from [-largest_angle, largest_angle].
      **kwargs: `seed`, `name`, `dtype`.

    Input shape:
      [batch, height, width, channels] or [height, width, channels] with 1 channel, which stays as it is, or 3; uint8 or
      float, pixels from 0 to 255.

    Output shape:
      That of the input; of the layer's compute dtype.

    Raises:
      UserError: an angle out of range.

    Example:
      >>> import numpy as np
      >>> RandomHue(90.0)(np.zeros((8, 48, 64, 3), np.uint8), training=True).shape
      TensorShape([8, 48, 64, 3])
    """

    def __init__(self, largest_angle: float = 30.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.largest_angle = at_least_zero("largest_angle", largest_angle)
        if self.largest_angle > _HALF_TURN:
            raise UserError(f"largest_angle must be from 0 to 180 degrees, got {largest_angle!r}")

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """`rotation`, float32 [batch, 3], as `rotation` makes it of a drawn angle: here, where all images are drawn
        together, since XLA's cosine has other bits in other vectors."""
        return {"rotation": rotation((2 * uniform([batch_size], seed) - 1) * self.largest_angle)}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """Changes pixels 0..255, RGB or of one channel; float32 [batch, height, width, channels]."""
        images = tf.cast(images, tf.float32)
        if images.shape[-1] == 1:
            return images
        of_red = parameters["rotation"][:, None, None, :]
        turned = [images[..., k : k + 1] * tf.roll(of_red, k, axis=-1) for k in range(3)]
        return tf.clip_by_value(turned[0] + turned[1] + turned[2], 0.0, 255.0)  # exact for an angle of 0

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "largest_angle": self.largest_angle}


def rotation(angle: tf.Tensor) -> tf.Tensor:
    """Rotations about (1, 1, 1), by Rodrigues' formula.

    Args:
      angle: degrees, float32 [batch].

    Returns:
      What red gives to red, green and blue, float32 [batch, 3]. Green gives the same to green, blue and red, and so on.
    """
    radians = angle * (3.141592653589793 / 180)
    cos, sin = tf.cos(radians), tf.sin(radians)
    return tf.stack([cos + (1 - cos) / 3, (1 - cos) / 3 + sin / 3**0.5, (1 - cos) / 3 - sin / 3**0.5], axis=-1)
