"""The images that exported files are compared on, and the model's own answers for them."""

import time
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from ftdata.decoding import npy
from ftdata.decoding.decode import Decoding, decode_full
from trainers.commands.evaluator import Evaluator
from trainers.export import formats
from trainers.export.parity import Samples

_COMPARED = 256  # test images
_PATIENCE_S, _MOST_BYTES = 20, 2**29  # what the model may take for the whole test set, in a process for each format
_MOST_WHOLE, _LOOKED_AT = 2**28, 8  # bytes of images at their own sizes; images that their size is guessed from


def choose(evaluator: Evaluator, final: keras.Model, others: Sequence[bytes]) -> Samples:
    """Of the whole test set where that is fast and fits, else of 256 images.

    Args:
      evaluator: whose test set it is.
      final: from `formats.finished`.
      others: image files that are of no class.
    """
    whole = len(evaluator.source.test)
    began = time.perf_counter()
    samples = _samples(evaluator, final, others, _COMPARED)
    more = whole / _COMPARED
    seconds, size = more * (time.perf_counter() - began), more * (samples.images.nbytes + sum(map(len, samples.files)))
    if more <= 1 or seconds > _PATIENCE_S or size > _MOST_BYTES:
        return samples
    return _samples(evaluator, final, others, whole)


def spread(count: int, most: int) -> np.ndarray:
    """Up to `most` positions of `count`, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def mask(count: int, most: int) -> np.ndarray:
    """The same positions, as bool [count]."""
    chosen = np.zeros(count, bool)
    chosen[spread(count, most)] = True
    return chosen


def known_count(samples: Samples) -> int:
    """How many of the images are test images: others, of no class, stand behind them."""
    return len(samples.labels) if samples.labels.ndim > 1 else int((samples.labels >= 0).sum())


def at_their_own_sizes(final: keras.Model, samples: Samples, decoding: Decoding) -> Samples:
    """As many of the test images as fit in 256 MiB, whole, and what the model gives for the squares they become."""
    count = known_count(samples)
    first = [_whole(samples.files[place], decoding.channels).nbytes for place in spread(count, _LOOKED_AT)]
    chosen = spread(count, max(1, int(_MOST_WHOLE / np.mean(first))))
    images = [_whole(samples.files[place], decoding.channels) for place in chosen]
    squares = np.stack([decoding.to_square(tf.constant(image)).numpy() for image in images])
    return Samples(images, [], samples.labels[chosen], _answers(final, squares))


def _whole(content: bytes, channels: int) -> np.ndarray:
    encoded = tf.constant(content)
    pixels: np.ndarray = (decode_full(encoded) if channels == 3 else npy.decode(encoded, channels)).numpy()
    return pixels


def _samples(evaluator: Evaluator, final: keras.Model, others: Sequence[bytes], most: int) -> Samples:
    """Up to `most` test images, and files of no class."""
    test = evaluator.source.test
    chosen = spread(len(test), most)
    files = list(test.subset(mask(len(test), most)).encoded().as_numpy_iterator())
    images, labels = evaluator.images["test"].take(chosen), test.labels[chosen]
    if others:
        images = np.concatenate([images, Decoding.of(evaluator.data).decode_batch(tf.constant(others)).numpy()])
        labels = np.concatenate([labels, np.full(len(others), -1, labels.dtype)])
    return Samples(images, [*files, *others], labels, _answers(final, images))


def _answers(network: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Computed on the CPU, where the exports are run too."""
    with tf.device("CPU:0"):
        parts = [formats.answers(network, tf.constant(images[k : k + 32])) for k in range(0, len(images), 32)]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}
