"""RandomResizedCrop: RandomAffine of a random part of the image, still one bilinear read."""

from typing import Any

import keras
import tensorflow as tf

from ftdata.augment import affine, rectangles
from ftdata.augment.random_affine import RandomAffine
from ftdata.augment.sampled_layer import Side, is_number, plain, uniform
from ftdata.errors import UserError

_ASPECT = (3 / 4, 4 / 3)


@keras.saving.register_keras_serializable(package="ftdata")
class RandomResizedCrop(RandomAffine):
    """A random part of the image at full size (Szegedy et al., 2014, arXiv:1409.4842, section 6).

    The part covers a uniform share of the image from `minimal_area` to 1; its width is 3/4 to 4/3 of its height.
    RandomAffine's changes come first: its result is what would be cropped, were both not one read. Flips come last.

    Args:
      minimal_area: least share of the image, above 0 and up to 1; 0.08 in the paper.
      **kwargs: of RandomAffine.

    Input shape:
      [batch, height, width, channels] or [height, width, channels], uint8 or float.

    Output shape:
      As the input, with `output_size` in place of height and width; of the layer's compute dtype.

    Raises:
      UserError: as RandomAffine, and a `minimal_area` out of range.

    Example:
      >>> import numpy as np
      >>> layer = RandomResizedCrop(0.3, horizontal_flip=True)
      >>> layer(np.zeros((8, 48, 64, 3), np.uint8), training=True).shape
      TensorShape([8, 48, 64, 3])
    """

    def __init__(self, minimal_area: float = 0.08, **kwargs: Any):
        super().__init__(**kwargs)
        minimal_area = plain(minimal_area)
        if not is_number(minimal_area) or not 0 < minimal_area <= 1:
            raise UserError(f"minimal_area must be one number above 0 and up to 1, got {minimal_area!r}")
        self.minimal_area = float(minimal_area)

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """RandomAffine's, and in pixels `crop_top`, `crop_left`, `crop_height`, `crop_width`, float32 [batch]."""
        u = uniform([12, batch_size], seed)  # the first eight are those of RandomAffine
        crop = rectangles.draw(u[8:], height=height, width=width, area=(self.minimal_area, 1.0), aspect=_ASPECT)
        return {**self._drawn(u[:8], height, width), **dict(zip(affine.CROP, crop, strict=True))}

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        return {**super().get_config(), "minimal_area": self.minimal_area}
