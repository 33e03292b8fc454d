"""The ceiling of reading without a cache: libjpeg by tf.data, the files in memory, all cores."""

import functools
import mmap
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ftdata.sources.split import Split


def alone(split: Split) -> Callable[[], object]:
    """A pass that decodes and forgets."""
    pixels = _decoded(split)
    return lambda: pixels.reduce(0, lambda rows, image: rows + tf.shape(image)[0]).numpy()


def kept(split: Split, *, side: int) -> Callable[[], object]:
    """A pass over images of `side` pixels that keeps them, in memory fresh from the operating system."""
    pixels, size = _decoded(split), len(split) * side * side * 3

    def one_pass() -> None:
        images = np.frombuffer(mmap.mmap(-1, size), np.uint8).reshape(-1, side, side, 3)
        for place, image in enumerate(pixels.as_numpy_iterator()):
            images[place] = image

    return one_pass


def _decoded(split: Split) -> tf.data.Dataset:
    files = tf.data.Dataset.from_tensor_slices(tf.constant(list(split.encoded().as_numpy_iterator())))
    return files.map(functools.partial(tf.io.decode_jpeg, channels=3), num_parallel_calls=tf.data.AUTOTUNE)
