"""Augmentation as Keras preprocessing layers that compute ImageDataGenerator's pictures on the accelerator.

Each layer parts drawing from applying: `sample` is a stateless function of a seed, `apply` a deterministic
function of its parameters, so that a parameter set can be drawn for a global batch and sliced by replica,
repeated after a restart, or taken from a real ImageDataGenerator.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from ftdata import affine
from ftdata.config import AugmentConfig

Parameters = Mapping[str, tf.Tensor]


def _uniform(shape: Sequence[Any], seed: Any) -> tf.Tensor:
    """Numbers in [0, 1) that are the same eager, compiled and on every device: the algorithm is named."""
    return tf.random.stateless_uniform(shape, seed=tf.cast(seed, tf.int32), alg="philox")


class _SampledLayer(keras.layers.Layer):
    """A layer with `sample(batch_size, height, width, seed)` and `apply(images, parameters)`."""

    def __init__(self, *, seed: int | None = None, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)  # coordinates and pixels stay float32 until the end
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.supports_jit = True

    def sample(self, batch_size: Any, height: int, width: int, seed: Any) -> dict[str, tf.Tensor]:
        raise NotImplementedError

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        raise NotImplementedError

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Draws from the layer's own generator; a single image [height, width, channels] works too."""
        images = tf.convert_to_tensor(images)
        if images.shape.rank == 3:
            return self.call(images[None], training=training)[0]
        if not training:
            return tf.cast(self.apply_nothing(images), self.compute_dtype)
        height, width = images.shape[1:3]
        seed = tf.cast(self.generator.next(), tf.int32)
        parameters = self.sample(tf.shape(images)[0], height, width, seed)
        return tf.cast(self.apply(images, parameters), self.compute_dtype)

    def apply_nothing(self, images: tf.Tensor) -> tf.Tensor:
        """What the layer gives outside training."""
        return images

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="ftdata")
class RandomAffine(_SampledLayer):
    """Rotation, shift, shear, zoom and flips in one bilinear read: ImageDataGenerator's picture.

    The same parameters give the same picture as `ImageDataGenerator.apply_transform` (within 0.05 of 255;
    formula in `ftdata.affine`), including what its users live with: `height_shift_range` moves columns and
    `width_shift_range` rows (tensorflow#82838), and on a picture that is not square the centre of rotation
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
      cval: grey level outside the picture in mode `constant`.
      output_size: side or (height, width) of the result; the input's by default. The scaling is folded
        into the same interpolation. Shrinking by more than 1.5 would alias: resize with antialiasing first.
      rescale: factor on the result, in training or not.
      seed: of the layer's own generator, used by `layer(images, training=True)`.
      **kwargs: `name`, `dtype`, `trainable`. The result is cast to the dtype policy at the very end.

    Raises:
      ValueError: a range that is negative or not understood, an unknown fill mode.
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
        self.rotation_range = _range("rotation_range", rotation_range)
        self.width_shift_range = _range("width_shift_range", width_shift_range)
        self.height_shift_range = _range("height_shift_range", height_shift_range)
        self.shear_range = _range("shear_range", shear_range)
        self.zoom_range = _zoom(zoom_range)
        self.horizontal_flip = bool(horizontal_flip)
        self.vertical_flip = bool(vertical_flip)
        if fill_mode not in affine.FILL_MODES:
            raise ValueError(f"fill_mode must be one of {', '.join(affine.FILL_MODES)}, got {fill_mode!r}")
        self.fill_mode = fill_mode
        self.cval = float(cval)
        self.output_size = _size(output_size)
        self.rescale = rescale

    @classmethod
    def from_image_data_generator(cls, generator: Any, **kwargs: Any) -> "RandomAffine":
        """The layer that does to a picture what `generator` does.

        Args:
          generator: a `keras.src.legacy.preprocessing.image.ImageDataGenerator`.
          **kwargs: further arguments of the layer, such as `output_size` and `seed`.

        Raises:
          ValueError: the generator has a setting the layer cannot honour; the message names it.
        """
        _reject_unsupported(generator)
        copied = (
            *("rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range"),
            *("horizontal_flip", "vertical_flip", "fill_mode", "cval"),
        )
        settings = {name: getattr(generator, name) for name in copied}
        return cls(**settings, rescale=generator.rescale or None, **kwargs)

    def sample(self, batch_size: Any, height: int, width: int, seed: Any) -> dict[str, tf.Tensor]:
        """Draws ImageDataGenerator's parameters for a batch.

        Args:
          batch_size: number of pictures, int or scalar tensor.
          height: of the pictures, pixels.
          width: of the pictures, pixels.
          seed: pair of int32; the same seed gives the same parameters.

        Returns:
          `theta` and `shear` in degrees, `tx` and `ty` in pixels, `zx`, `zy`, all float32 [batch], and
          `flip_horizontal`, `flip_vertical`, bool [batch].
        """
        u = tf.unstack(_uniform([8, batch_size], seed))
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
            for name in affine.PARAMETERS
        }
        size = self.output_size or tuple(images.shape[1:3])
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
        """Every argument of the constructor."""
        names = (
            *("rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range"),
            *("horizontal_flip", "vertical_flip", "fill_mode", "cval", "output_size", "rescale"),
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="ftdata")
class RandomChannelShift(_SampledLayer):
    """Adds one drawn grey level to all channels, clipped to the picture's own range, as
    `ImageDataGenerator(channel_shift_range=...)` does (its `apply_channel_shift`)."""

    def __init__(self, channel_shift_range: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.channel_shift_range = _range("channel_shift_range", channel_shift_range)

    def sample(self, batch_size: Any, height: int, width: int, seed: Any) -> dict[str, tf.Tensor]:
        """`channel_shift_intensity`, grey levels in [-r, r], float32 [batch]."""
        u = _uniform([batch_size], seed)
        return {"channel_shift_intensity": (2 * u - 1) * self.channel_shift_range}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """float32 [batch, height, width, channels]."""
        images = tf.cast(images, tf.float32)
        low = tf.reduce_min(images, axis=(1, 2, 3), keepdims=True)
        high = tf.reduce_max(images, axis=(1, 2, 3), keepdims=True)
        shifted = images + parameters["channel_shift_intensity"][:, None, None, None]
        return tf.clip_by_value(shifted, low, high)

    def get_config(self) -> dict[str, Any]:
        """Every argument of the constructor."""
        return {**super().get_config(), "channel_shift_range": self.channel_shift_range}


@keras.saving.register_keras_serializable(package="ftdata")
class RandomBrightnessFactor(_SampledLayer):
    """Multiplies pixels by a drawn factor with `ImageDataGenerator(brightness_range=...)`'s rounding: down
    to whole grey levels before and after, clipped to 0..255 (PIL's ImageEnhance.Brightness)."""

    def __init__(self, brightness_range: Sequence[float] = (1.0, 1.0), **kwargs: Any):
        super().__init__(**kwargs)
        low, high = brightness_range
        if not 0 <= low <= high:
            raise ValueError(f"brightness_range must be low, high with 0 <= low <= high, got {brightness_range!r}")
        self.brightness_range = (float(low), float(high))

    def sample(self, batch_size: Any, height: int, width: int, seed: Any) -> dict[str, tf.Tensor]:
        """`brightness`, a factor, float32 [batch]."""
        low, high = self.brightness_range
        return {"brightness": low + _uniform([batch_size], seed) * (high - low)}

    def apply(self, images: tf.Tensor, parameters: Parameters) -> tf.Tensor:
        """float32 [batch, height, width, channels] of whole numbers from 0 to 255."""
        whole = tf.floor(tf.cast(images, tf.float32))
        return tf.floor(tf.clip_by_value(whole * parameters["brightness"][:, None, None, None], 0.0, 255.0))

    def get_config(self) -> dict[str, Any]:
        """Every argument of the constructor."""
        return {**super().get_config(), "brightness_range": self.brightness_range}


class Augmentation:
    """The configured layers in ImageDataGenerator's order, as a pure function of (seed, step, slot).

    Parameters are drawn for the whole global batch and gathered by slot, so that a picture is warped alike
    however many replicas share the batch.
    """

    def __init__(self, config: AugmentConfig, *, seed: int):
        self.seed = seed
        self.layers = _layers(config)

    def __call__(self, images: tf.Tensor, slots: tf.Tensor, *, step: tf.Tensor, global_batch: int) -> tf.Tensor:
        """Augments uint8 [batch, height, width, channels] to float32 of the same shape.

        Args:
          images: the replica's pictures.
          slots: int32 [batch], their places in the global batch.
          step: int32 scalar, the training step.
          global_batch: number of pictures over all replicas.
        """
        height, width = images.shape[1:3]
        for number, layer in enumerate(self.layers):
            seed = tf.stack([tf.constant(self.seed, tf.int32), tf.cast(step, tf.int32) * 8 + number])
            drawn = layer.sample(global_batch, height, width, seed)
            images = layer.apply(images, {name: tf.gather(value, slots) for name, value in drawn.items()})
        return tf.cast(images, tf.float32)


def _layers(config: AugmentConfig) -> list[_SampledLayer]:
    if not config.augment:
        return []
    zoom = config.zoom_range[0] if len(config.zoom_range) == 1 else config.zoom_range
    affine_layer = RandomAffine(
        rotation_range=config.rotation_range,
        width_shift_range=config.width_shift_range,
        height_shift_range=config.height_shift_range,
        shear_range=config.shear_range,
        zoom_range=zoom,
        horizontal_flip=config.horizontal_flip,
        vertical_flip=config.vertical_flip,
        fill_mode=config.fill_mode,
        cval=config.cval,
    )
    layers: list[_SampledLayer] = [affine_layer]
    if config.channel_shift_range:
        layers.append(RandomChannelShift(config.channel_shift_range))
    if config.brightness_range:
        layers.append(RandomBrightnessFactor(config.brightness_range))
    return layers


def _range(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"{name} must be one number >= 0, got {value!r}")
    return float(value)


def _zoom(value: float | Sequence[float]) -> tuple[float, float]:
    low, high = (1 - value, 1 + value) if isinstance(value, int | float) else value
    if not 0 < low <= high:
        raise ValueError(f"zoom_range must be z below 1 or (low, high) with 0 < low <= high, got {value!r}")
    return float(low), float(high)


def _size(value: int | Sequence[int] | None) -> tuple[int, int] | None:
    if value is None:
        return None
    height, width = (value, value) if isinstance(value, int) else value
    return int(height), int(width)


def _pixels(shift: float, side: int) -> float:
    return shift * side if shift < 1 else shift


def _reject_unsupported(generator: Any) -> None:
    """Raises ValueError for the first setting of an ImageDataGenerator that the layer cannot honour."""
    beside = {
        "channel_shift_range": "add ftdata.augment.RandomChannelShift after the layer",
        "brightness_range": "add ftdata.augment.RandomBrightnessFactor after the layer",
        "preprocessing_function": "call it on the layer's result",
        "featurewise_center": "add keras.layers.Normalization",
        "featurewise_std_normalization": "add keras.layers.Normalization",
        "samplewise_center": "subtract the mean of each picture after the layer",
        "samplewise_std_normalization": "divide by the deviation of each picture after the layer",
        "zca_whitening": "apply the whitening after the layer",
    }
    for name, remedy in beside.items():
        if getattr(generator, name):
            raise ValueError(f"RandomAffine cannot honour {name}={getattr(generator, name)!r}: {remedy}")
    if generator.interpolation_order != 1:
        raise ValueError(f"RandomAffine cannot honour interpolation_order={generator.interpolation_order}: only 1")
    if generator.data_format != "channels_last":
        raise ValueError(f"RandomAffine cannot honour data_format={generator.data_format!r}: only channels_last")
    for name in ("width_shift_range", "height_shift_range"):
        value = getattr(generator, name)
        if not isinstance(value, float) and value != 0:
            raise ValueError(
                f"RandomAffine cannot honour {name}={value!r}: ImageDataGenerator draws from whole numbers "
                "or a list then; only a float is supported"
            )
