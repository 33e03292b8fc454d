"""What Keras and TensorFlow offer for the same warp: the stock layers, and the one operation below them."""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from benchmarks.sides.image_data_generator import NOTEBOOK
from ftdata.augment import affine
from ftdata.augment.augmentation import RandomAffine


def create() -> keras.Sequential:
    """The notebook's augmentation in stock layers; each resamples the image once."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.RandomRotation(0.5, fill_mode="nearest"),
            layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
            layers.RandomShear(0.002, 0.002, fill_mode="nearest"),
            layers.RandomZoom((-0.1, 0.5), (-0.1, 0.5), fill_mode="nearest"),
            layers.RandomFlip(),
        ]
    )


def warp(images: tf.Tensor) -> Callable[[], object]:
    """Warps a batch in a graph."""
    stack = create()
    augment = tf.function(lambda pixels: stack(pixels, training=True))
    return lambda: augment(images)


def projective_transform(images: tf.Tensor) -> Callable[[], object]:
    """The same map as RandomAffine's in one call of ImageProjectiveTransformV3."""
    layer = RandomAffine(**NOTEBOOK)
    counter = iter(range(10**9))

    @tf.function
    def augment(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=pixels,
            transforms=transforms(layer, count=pixels.shape[0], side=pixels.shape[1], seed=seed),
            output_shape=pixels.shape[1:3],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )

    return lambda: augment(images, tf.constant([0, next(counter)]))


def transforms(layer: RandomAffine, *, count: int, side: int, seed: tf.Tensor) -> tf.Tensor:
    """Drawn maps from output (column, row) to input, flips folded in: float32 [count, 8] = a0 a1 a2 b0 b1 b2 0 0.

    The input column is a0 column + a1 row + a2, the input row b0 column + b1 row + b2.
    """
    drawn = layer.sample(count, side, side, seed)
    (b1, b0, b2), (a1, a0, a2) = affine.matrices(drawn, height=side, width=side)
    sideways, upside = (tf.cast(drawn[f"flip_{name}"], tf.float32) for name in ("horizontal", "vertical"))
    last = side - 1.0
    a2, b2 = a2 + last * (a0 * sideways + a1 * upside), b2 + last * (b0 * sideways + b1 * upside)
    a0, b0 = a0 * (1 - 2 * sideways), b0 * (1 - 2 * sideways)
    a1, b1 = a1 * (1 - 2 * upside), b1 * (1 - 2 * upside)
    return tf.stack([a0, a1, a2, b0, b1, b2, tf.zeros_like(a0), tf.zeros_like(a0)], axis=-1)


def from_directory(folder: Path, *, batch_size: int, side: int) -> Callable[[], object]:
    """A pass over the images below `folder`, read by Keras and augmented in tf.data."""
    files = keras.utils.image_dataset_from_directory(
        str(folder), image_size=(side, side), batch_size=batch_size, verbose=False
    )
    stack = create()
    augmented = files.map(lambda x, y: (stack(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
    batches = augmented.prefetch(tf.data.AUTOTUNE)
    return lambda: [images.shape for images, _ in batches]
