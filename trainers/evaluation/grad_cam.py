"""Where in an image a classifier finds its class: Grad-CAM (Selvaraju et al., 2017, arXiv:1610.02391)."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from trainers.evaluation import tiles
from trainers.models import folding
from trainers.models.classifier import logits_of

_PIXELS = (keras.layers.InputLayer, keras.layers.Rescaling, keras.layers.Normalization)  # give no features
_CHUNK = 16  # images at a time: all activations are kept for the gradient


def heat(
    network: keras.Model, images: np.ndarray, classes: np.ndarray, *, fold_batch_norm: bool = False
) -> np.ndarray | None:
    """How much each place of an image speaks for a class.

    Args:
      network: a classifier of this project, its base nested or its layers in one row.
      images: uint8 or float32 [n, height, width, 3], pixels 0..255.
      classes: int [n], the class asked about in each image.
      fold_batch_norm: whether batch normalization is computed as part of the convolution before it.

    Returns:
      float32 [n, height, width], 0 to 1 in each image (all 0 where nothing speaks for the class); None if the
      network has no feature maps, or maps of a single place (`is_single_place`).
    """
    layer = _last_with_maps(network)
    if layer is None or is_single_place(network):
        return None
    scores_of = logits_of(network)
    scores_of = folding.for_inference(scores_of, keep=layer) if fold_batch_norm else scores_of
    parts = [
        _heat(scores_of, layer, tf.constant(images[k : k + _CHUNK], tf.float32), classes[k : k + _CHUNK])
        for k in range(0, len(images), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.zeros(images.shape[:3], np.float32)


def is_single_place(network: keras.Model) -> bool:
    """Whether the last feature maps are 1x1, as of a small image: they say that a class is there, and not where."""
    layer = _last_with_maps(network)
    return layer is not None and tuple(layer.output.shape[1:3]) == (1, 1)


def gallery(images: np.ndarray, maps: np.ndarray, captions: list[str], *, title: str) -> Figure:
    """The images, uint8 [n, h, w, 3], grey where their `maps`, float32 [n, h, w], are 0, in red where they are 1."""
    grey = images.astype(np.float32).mean(axis=-1, keepdims=True)
    red = np.stack([255 * np.ones_like(maps), 60 * np.ones_like(maps), np.zeros_like(maps)], axis=-1)
    share = 0.6 * maps[..., None]
    return tiles.image_grid((1 - share) * grey + share * red, captions, title=title)


def _heat(scores_of: keras.Model, layer: keras.layers.Layer, images: tf.Tensor, classes: np.ndarray) -> np.ndarray:
    with tf.GradientTape() as tape, _noted(layer) as noted:
        tape.watch(images)  # all weights may be frozen
        scores = scores_of(images, training=False)
        of_class = tf.gather(scores, tf.constant(classes), batch_dims=1)
    maps = noted[-1]
    slopes = tf.cast(tape.gradient(of_class, maps), tf.float32)
    weights = tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)
    evidence = tf.nn.relu(tf.reduce_sum(weights * tf.cast(maps, tf.float32), axis=-1, keepdims=True))
    largest = tf.reduce_max(evidence, axis=(1, 2, 3), keepdims=True)
    evidence = tf.math.divide_no_nan(evidence, largest)
    return tf.image.resize(evidence, images.shape[1:3])[..., 0].numpy()


def _last_with_maps(model: keras.Model) -> keras.layers.Layer | None:
    """The last layer that gives feature maps [b, height, width, channels], inside nested models too."""
    for layer in reversed(model.layers):
        if isinstance(layer, keras.Model):
            found = _last_with_maps(layer)
            if found is not None:
                return found
        elif not isinstance(layer, _PIXELS) and _gives_maps(layer):
            return layer
    return None


def _gives_maps(layer: keras.layers.Layer) -> bool:
    return isinstance(layer.output, keras.KerasTensor) and len(layer.output.shape) == 4


@contextlib.contextmanager
def _noted(layer: keras.layers.Layer) -> Iterator[list[Any]]:
    """Collects what the layer gives, wherever it is nested: a tensor of a nested model's graph is none of the outer."""
    results: list[Any] = []
    call = layer.call

    def noting(*arguments: Any, **options: Any) -> Any:
        results.append(call(*arguments, **options))
        return results[-1]

    layer.call = noting
    try:
        yield results
    finally:
        del layer.call  # the method of the class shows again
