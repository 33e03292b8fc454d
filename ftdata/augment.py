"""Augmentation as Keras preprocessing layers that compute ImageDataGenerator's pictures on the accelerator."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ftdata.config import AugmentConfig
from ftdata.random_affine import RandomAffine
from ftdata.sampled_layer import Parameters, SampledLayer, at_least_zero, uniform

__all__ = ["Augmentation", "RandomAffine", "RandomBrightnessFactor", "RandomChannelShift"]


@keras.saving.register_keras_serializable(package="ftdata")
class RandomChannelShift(SampledLayer):
    """Adds one drawn grey level to all channels, clipped to the picture's own range, as
    `ImageDataGenerator(channel_shift_range=...)` does (its `apply_channel_shift`)."""

    def __init__(self, channel_shift_range: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.channel_shift_range = at_least_zero("channel_shift_range", channel_shift_range)

    def sample(self, batch_size: Any, height: int, width: int, seed: Any) -> dict[str, tf.Tensor]:
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
        """Every argument of the constructor."""
        return {**super().get_config(), "channel_shift_range": self.channel_shift_range}


@keras.saving.register_keras_serializable(package="ftdata")
class RandomBrightnessFactor(SampledLayer):
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
        return {"brightness": low + uniform([batch_size], seed) * (high - low)}

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


def _layers(config: AugmentConfig) -> list[SampledLayer]:
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
    layers: list[SampledLayer] = [affine_layer]
    if config.channel_shift_range:
        layers.append(RandomChannelShift(config.channel_shift_range))
    if config.brightness_range:
        layers.append(RandomBrightnessFactor(config.brightness_range))
    return layers
