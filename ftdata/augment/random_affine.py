"""RandomAffine: ImageDataGenerator's geometry as one Keras layer."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ftdata.augment import affine
from ftdata.augment.sampled_layer import (
    Parameters,
    SampledLayer,
    Side,
    at_least_zero,
    is_number,
    plain,
    real,
    sides,
    uniform,
)
from ftdata.errors import UserError

_RANGES = ("rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range")
_OF_IMAGE_DATA_GENERATOR = (*_RANGES, "horizontal_flip", "vertical_flip", "fill_mode", "cval")


@keras.saving.register_keras_serializable(package="ftdata")
class RandomAffine(SampledLayer):
    """Rotation, shift, shear, zoom and flips in one bilinear read: the image of ImageDataGenerator.

    The same parameters give the same image as `ImageDataGenerator.apply_transform` (within 0.05 of 255;
    formula in `ftdata.augment.affine`), including what its users live with: `height_shift_range` moves columns and
    `width_shift_range` rows (tensorflow#82838), and on an image that is not square the centre of rotation
    has its coordinates swapped.

    Works in `keras.Sequential`, in `model.fit`, in `tf.data` and under `jit_compile=True`. Inside a model
    that is not compiled by XLA on a CPU it is 8 to 9 times slower than compiled: wrap it in
    `tf.function(layer, jit_compile=True)`.

    Args:
      rotation_range: degrees; angles are drawn from [-r, r].
      width_shift_range: fraction of the width, or pixels if 1 or more.
      height_shift_range: fraction of the height, or pixels if 1 or more.
      shear_range: degrees (a tenth of a degree for 0.1, as in ImageDataGenerator).
      zoom_range: z for [1 - z, 1 + z], or (low, high); above 1 shows more of the scene.
      horizontal_flip: mirror left and right with probability 1/2.
      vertical_flip: mirror up and down with probability 1/2.
      fill_mode: `nearest`, `constant`, `reflect` or `wrap`, with scipy's meaning.
      cval: grey level outside the image in mode `constant`.
      output_size: side or (height, width) of the result; the input's by default. The scaling is folded
        into the same interpolation. Shrinking by more than 1.5 would alias: resize with antialiasing first.
      rescale: factor on the result, in training or not.
      seed: of the layer's own generator, used by `layer(images, training=True)`.
      **kwargs: `name`, `dtype`, `trainable`. The result is cast to the dtype policy at the very end.

    Input shape:
      [batch, height, width, channels] or [height, width, channels], uint8 or float.

    Output shape:
      As the input, with `output_size` in place of height and width; of the layer's compute dtype.

    Raises:
      UserError: a range that is negative or not understood, an unknown fill mode.

    Example:
      >>> import numpy as np
      >>> layer = RandomAffine(rotation_range=20, zoom_range=0.1, horizontal_flip=True, output_size=32, rescale=1 / 255)
      >>> images = np.full((8, 48, 64, 3), 255, np.uint8)
      >>> layer(images, training=True).shape
      TensorShape([8, 32, 32, 3])
    """

    def __init__(
        self,
        rotation_range: float = 0.0,
        width_shift_range: float = 0.0,
        height_shift_range: float = 0.0,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        output_size: int | Sequence[int] | None = None,
        rescale: float | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, **kwargs)
        self.rotation_range = at_least_zero("rotation_range", rotation_range)
        self.width_shift_range = at_least_zero("width_shift_range", width_shift_range)
        self.height_shift_range = at_least_zero("height_shift_range", height_shift_range)
        self.shear_range = at_least_zero("shear_range", shear_range)
        self.zoom_range = _zoom(zoom_range)
        self.horizontal_flip = bool(horizontal_flip)
        self.vertical_flip = bool(vertical_flip)
        if fill_mode not in affine.FILL_MODES:
            raise UserError(f"fill_mode must be one of {', '.join(affine.FILL_MODES)}, got {fill_mode!r}")
        self.fill_mode = fill_mode
        if not is_number(plain(cval)):
            raise UserError(f"cval must be one number, got {cval!r}")
        self.cval = float(plain(cval))
        self.output_size = _size(output_size)
        self.rescale = None if rescale is None else float(plain(rescale))

    @classmethod
    def from_image_data_generator(cls, generator: Any, **kwargs: Any) -> "RandomAffine":
        """The layer that does to an image what `generator` does.

        Args:
          generator: a `keras.src.legacy.preprocessing.image.ImageDataGenerator`.
          **kwargs: further arguments of the layer, such as `output_size` and `seed`.

        Raises:
          UserError: the generator has a setting the layer cannot honour; the message names it.
        """
        _reject_unsupported(generator)
        settings = {name: getattr(generator, name) for name in _OF_IMAGE_DATA_GENERATOR}
        return cls(**settings, rescale=generator.rescale or None, **kwargs)

    def sample(self, batch_size: Any, height: Side, width: Side, seed: Any) -> dict[str, tf.Tensor]:
        """Draws ImageDataGenerator's parameters for a batch.

        Args:
          batch_size: number of images, int or scalar tensor.
          height: of the images, pixels.
          width: of the images, pixels.
          seed: pair of int32; the same seed gives the same parameters.

        Returns:
          `theta` and `shear` in degrees, `tx` and `ty` in pixels, `zx`, `zy`, all float32 [batch], and
          `flip_horizontal`, `flip_vertical`, bool [batch].
        """
        return self._drawn(uniform([8, batch_size], seed), height, width)

    def _drawn(self, numbers: tf.Tensor, height: Side, width: Side) -> dict[str, tf.Tensor]:
        """`sample`'s parameters from uniform `numbers`, float32 [8, batch]."""
        u = tf.unstack(numbers)
        low, high = self.zoom_range
        return {
            "theta": (2 * u[0] - 1) * self.rotation_range,
            "tx": (2 * u[1] - 1) * _pixels(self.height_shift_range, height),
            "ty": (2 * u[2] - 1) * _pixels(self.width_shift_range, width),
            "shear": (2 * u[3] - 1) * self.shear_range,
            "zx": low + u[4] * (high - low),
            "zy": low + u[5] * (high - low),
            "flip_horizontal": (u[6] < 0.5) & self.horizontal_flip,
            "flip_vertical": (u[7] < 0.5) & self.vertical_flip,
        }

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """Warps uint8 or float images [batch, height, width, channels] to float32 ones.

        `parameters` are those of `sample`, or arrays stacked from ImageDataGenerator's
        `get_random_transform` (flips as 0 and 1, further keys ignored).
        """
        images = tf.convert_to_tensor(images)
        parameters = {
            name: tf.cast(parameters[name], tf.bool if name.startswith("flip") else tf.float32)
            for name in (*affine.PARAMETERS, *(name for name in affine.CROP if name in parameters))
        }
        size = self.output_size or sides(images)
        pixels = affine.warp(images, parameters, output_size=size, fill_mode=self.fill_mode, cval=self.cval)
        return pixels if self.rescale is None else pixels * self.rescale

    def apply_nothing(self, images: tf.Tensor) -> tf.Tensor:
        """The images themselves, resized (half-pixel rule, bilinear) where `output_size` differs."""
        if self.output_size and tuple(images.shape[1:3]) != self.output_size:
            images = tf.image.resize(images, self.output_size, antialias=False)
        return images if self.rescale is None else tf.cast(images, tf.float32) * self.rescale

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """`input_shape` with `output_size` in place of height and width."""
        size = self.output_size or tuple(input_shape[-3:-1])
        return (*input_shape[:-3], *size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer again."""
        names = (*_OF_IMAGE_DATA_GENERATOR, "output_size", "rescale")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _zoom(value: Any) -> tuple[float, float]:
    value = plain(value)
    low, high = (1 - value, 1 + value) if is_number(value) else map(plain, value)
    if not (is_number(high) and 0 < low <= high):
        raise UserError(f"zoom_range must be z below 1 or (low, high) with 0 < low <= high, got {value!r}")
    return float(low), float(high)


def _size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    value = plain(value)
    height, width = (value, value) if isinstance(value, int) else map(plain, value)
    return int(height), int(width)


def _pixels(shift: float, side: Side) -> Any:
    return shift * real(side) if shift < 1 else shift


def _reject_unsupported(generator: Any) -> None:
    """Raises UserError for the first setting of an ImageDataGenerator that the layer cannot honour."""
    beside = {
        "channel_shift_range": "add ftdata.RandomChannelShift after the layer",
        "brightness_range": "add ftdata.RandomBrightnessFactor after the layer",
        "preprocessing_function": "call it on the layer's result",
        "featurewise_center": "add keras.layers.Normalization",
        "featurewise_std_normalization": "add keras.layers.Normalization",
        "samplewise_center": "subtract the mean of each image after the layer",
        "samplewise_std_normalization": "divide by the deviation of each image after the layer",
        "zca_whitening": "apply the whitening after the layer",
    }
    for name, remedy in beside.items():
        if getattr(generator, name):
            raise UserError(f"RandomAffine cannot honour {name}={getattr(generator, name)!r}: {remedy}")
    if generator.interpolation_order != 1:
        raise UserError(f"RandomAffine cannot honour interpolation_order={generator.interpolation_order}: only 1")
    if generator.data_format != "channels_last":
        raise UserError(f"RandomAffine cannot honour data_format={generator.data_format!r}: only channels_last")
    for name in ("width_shift_range", "height_shift_range"):
        value = getattr(generator, name)
        if not isinstance(value, float) and value != 0:
            raise UserError(
                f"RandomAffine cannot honour {name}={value!r}: ImageDataGenerator draws from whole numbers "
                "or a list then; only a float is supported"
            )
