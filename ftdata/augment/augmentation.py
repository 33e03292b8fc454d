"""Augmentation as Keras preprocessing layers: ImageDataGenerator's images and more, on the accelerator.

The order: RandomAffine or RandomResizedCrop (flips included) -> background mixing -> channel shift -> brightness ->
colour jitter -> hue -> grayscale -> RandAugment -> random convolution -> erasing -> mixing of pairs. All but the first
are off unless asked for. Colours change after the background has come in, so that both parts have one light.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ftdata import seeds
from ftdata.augment.background import BackgroundMixing
from ftdata.augment.color import RandomBrightnessFactor, RandomChannelShift, RandomColorJitter
from ftdata.augment.convolution import RandomConvolution
from ftdata.augment.erasing import RandomErasing
from ftdata.augment.grayscale import RandomGrayscale
from ftdata.augment.hue import RandomHue
from ftdata.augment.mixing import PairMixing
from ftdata.augment.rand_augment import RandAugment
from ftdata.augment.random_affine import RandomAffine
from ftdata.augment.resized_crop import RandomResizedCrop
from ftdata.augment.sampled_layer import Parameters, SampledLayer
from ftdata.config import AugmentConfig

# Layers that read a pixel several times: a chain with one of these keeps its layers apart (see `_apart`). With colour
# jitter that takes a fifth of the time.
_KEPT_APART = (BackgroundMixing, RandomColorJitter, RandomHue, RandomGrayscale, RandAugment, RandomConvolution)


class Augmented(NamedTuple):
    """What `Augmentation` returns.

    `images` is float32 [batch, height, width, channels]. Where pairs are mixed, `share` is the weight of each image's
    own label, float32 [batch]; its partner's label (`ftdata.augment.mixing.partner_of`) has the rest. Else it is None.
    """

    images: tf.Tensor
    share: tf.Tensor | None


class Augmentation:
    """The configured layers in the order above, as a pure function of (seed, step, slot).

    Parameters are drawn for the whole global batch and gathered by slot, so that an image is warped alike
    however many replicas share the batch.

    Args:
      config: which layers, and their arguments.
      seed: of everything drawn.

    Example:
      >>> augmentation = Augmentation(AugmentConfig(rotation_range=20.0), seed=0)
      >>> images = tf.zeros([8, 32, 32, 3], tf.uint8)
      >>> augmentation(images, tf.range(8), step=tf.constant(0), global_batch=8).images.shape
      TensorShape([8, 32, 32, 3])
    """

    def __init__(self, config: AugmentConfig, *, seed: int):
        self.seed = seed
        self.layers = _layers(config)
        self._apply = _apart if any(isinstance(layer, _KEPT_APART) for layer in self.layers) else _together

    def __call__(self, images: tf.Tensor, slots: tf.Tensor, *, step: tf.Tensor, global_batch: int) -> Augmented:
        """Augments uint8 [batch, height, width, channels] to float32 of the same shape.

        Args:
          images: the replica's images.
          slots: int32 [batch], their places in the global batch; where pairs are mixed, consecutive from an even one.
          step: int32 scalar, the training step.
          global_batch: number of images over all replicas.
        """
        height, width = images.shape[1:3]
        share = None
        for number, layer in enumerate(self.layers):
            drawn = self.sample(number, step=step, global_batch=global_batch, height=height, width=width)
            parameters = {name: tf.gather(value, slots) for name, value in drawn.items()}
            images = self._apply(layer, images, parameters, tf.cast(step, tf.int32))
            share = parameters.get("share")  # of the last layer, if it mixes
        return Augmented(tf.cast(images, tf.float32), share)

    def sample(self, number: int, *, step: tf.Tensor, global_batch: int, height: int, width: int) -> Parameters:
        """What layer `number` of the chain draws for all of a global batch, by name: [global_batch, ...] each.

        Args:
          number: place in `layers`.
          step: int32 scalar, the training step.
          global_batch: number of images over all replicas.
          height: of the images, pixels.
          width: likewise.
        """
        stream = seeds.number(self.seed, "augment", number)
        seed = tf.stack([tf.constant(stream, tf.int32), tf.cast(step, tf.int32)])
        return self.layers[number].sample(global_batch, height, width, seed)

    def view_seeds(self, digests: np.ndarray, views: np.ndarray) -> np.ndarray:
        """What decides how views of images look: their contents, the view's number and the seed, nothing else.

        Args:
          digests: of the images' contents, uint64 [n, 2].
          views: which view of each, whole numbers >= 0, [n].

        Returns:
          int32 [n, layers, 2], for `view`.
        """
        drawn = [
            seeds.of_images(self.seed, "view", number, digests=digests, views=views)
            for number in range(len(self.layers))
        ]
        return np.stack(drawn, axis=1).view(np.int32).reshape(len(digests), -1, 2) if drawn else _no_seeds(digests)

    def view(self, images: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
        """Augments each image by seeds of its own; for layers that do not mix images.

        Args:
          images: uint8 [batch, height, width, channels].
          drawn: int32 [batch, layers, 2], from `view_seeds`.

        Returns:
          float32 of the images' shape.
        """
        height, width = images.shape[1:3]
        for number, layer in enumerate(self.layers):

            def sample(seed: tf.Tensor, layer: SampledLayer = layer) -> dict[str, tf.Tensor]:
                return {name: value[0] for name, value in layer.sample(1, height, width, seed).items()}

            of_all = drawn[:, number]
            kinds = {name: tf.TensorSpec(value.shape, value.dtype) for name, value in sample(of_all[0]).items()}
            parameters = tf.map_fn(sample, of_all, fn_output_signature=kinds)
            images = self._apply(layer, images, parameters, tf.abs(of_all[0, 0]))
        return tf.cast(images, tf.float32)


def _together(layer: SampledLayer, images: tf.Tensor, parameters: Parameters, number: tf.Tensor) -> tf.Tensor:
    return layer.apply(images, parameters)


def _apart(layer: SampledLayer, images: tf.Tensor, parameters: Parameters, number: tf.Tensor) -> tf.Tensor:
    """The layer on images that are computed by then. XLA would compute the warp of a pixel again wherever a layer
    behind reads it, for a random convolution 27 times; it does not merge what is before a loop with what is in it.

    Args:
      layer: of the chain.
      images: what the layer before it gave; uint8 for the first, which has nothing to be kept apart from.
      parameters: of the layer.
      number: int32 scalar, 0 or more, unknown while the graph is made; or else XLA would undo a loop of one turn.
    """
    if images.dtype != tf.float32:
        return layer.apply(images, parameters)
    once, shape = tf.minimum(number, 0), images.shape
    _, images = tf.while_loop(
        lambda turn, _: turn <= once,
        lambda turn, images: (turn + 1, tf.ensure_shape(layer.apply(images, parameters), shape)),
        (tf.constant(0), images),
    )
    return images


def _no_seeds(digests: np.ndarray) -> np.ndarray:
    return np.zeros((len(digests), 0, 2), np.int32)


def notes(config: AugmentConfig, *, image_size: int) -> list[str]:
    """Lines for the user on what the settings do that their names do not say."""
    area = config.random_resized_crop
    if not config.augment or area is None or area == 1:
        return []
    side = round(image_size * area**0.5)
    return [
        f"random_resized_crop cuts from the {image_size}x{image_size} pixels that are cached, not from the files: the "
        f"smallest crops, of {side}x{side}, are enlarged {1 / area**0.5:.1f} times; a larger --image_size keeps more"
    ]


def _layers(config: AugmentConfig) -> list[SampledLayer]:
    """Those that the settings ask for. Each draws by its place in this list, so that others stay as they are where one
    behind them is added."""
    if not config.augment:
        return []
    optional: list[tuple[Any, Callable[[Any], SampledLayer]]] = [
        (config.background_mixing, BackgroundMixing),
        (config.channel_shift_range, RandomChannelShift),
        (config.brightness_range, RandomBrightnessFactor),
        (config.color_jitter, RandomColorJitter),
        (config.hue, RandomHue),
        (config.grayscale, RandomGrayscale),
        (config.rand_augment, lambda numbers: RandAugment(*numbers)),
        (config.random_convolution, RandomConvolution),
        (config.random_erasing, RandomErasing),
    ]
    layers = [_geometry(config), *(layer(value) for value, layer in optional if value)]
    if config.mixup_alpha or config.cutmix_alpha:
        layers.append(PairMixing(config.mixup_alpha, config.cutmix_alpha))
    return layers


def _geometry(config: AugmentConfig) -> SampledLayer:
    zoom = config.zoom_range[0] if len(config.zoom_range) == 1 else config.zoom_range
    geometry: dict[str, Any] = {
        "rotation_range": config.rotation_range,
        "width_shift_range": config.width_shift_range,
        "height_shift_range": config.height_shift_range,
        "shear_range": config.shear_range,
        "zoom_range": zoom,
        "horizontal_flip": config.horizontal_flip,
        "vertical_flip": config.vertical_flip,
        "fill_mode": config.fill_mode,
        "cval": config.cval,
    }
    if config.random_resized_crop is None:
        return RandomAffine(**geometry)
    return RandomResizedCrop(config.random_resized_crop, **geometry)
