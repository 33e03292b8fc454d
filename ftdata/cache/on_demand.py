"""Decoded pictures in memory, each decoded when it is first asked for.

A worker of several reads its own part of every batch, so in one epoch it decodes that part alone; over the epochs
its memory comes to hold the whole set, of which pages nobody has written to take no room.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

Read = Callable[[tf.Tensor], tf.Tensor]


def memoized(read: Read, images: np.ndarray) -> Read:
    """Reads by position as `read` does, and each picture once.

    Args:
      read: int64 [b] -> uint8 [b, side, side, 3], of graph operations.
      images: uint8 [n, side, side, 3] to keep them in.

    Returns:
      The same function. Two calls at the same time may both decode a picture, and store the same bytes.
    """
    is_here = np.zeros(len(images), bool)

    def absent(index: np.ndarray) -> np.ndarray:
        return index[~is_here[index]]

    def keep(index: np.ndarray, new: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        images[new] = decoded
        is_here[new] = True  # only now: whoever sees it finds the picture there
        return images[index]

    def at(index: tf.Tensor) -> tf.Tensor:
        new = tf.ensure_shape(tf.numpy_function(absent, [index], tf.int64), [None])
        kept = tf.numpy_function(keep, [index, new, read(new)], tf.uint8)
        return tf.ensure_shape(kept, [index.shape[0], *images.shape[1:]])

    return at
