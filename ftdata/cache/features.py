"""Features of images (what the frozen part of a network makes of them), kept to be read instead of the images."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ftdata.cache.images import IndexedImages

Read = Callable[[tf.Tensor], tf.Tensor]  # places, int64 [b] -> features [b, ...]


def in_memory(features: np.ndarray) -> IndexedImages:
    """Features that lie in an array of `filling.aligned`, [n, ...]."""
    return IndexedImages("memory", reader(features), content="feature")


def reader(rows: np.ndarray) -> Read:
    """Reads rows of an array that begins at a page boundary, without a copy of it."""
    is_bfloat16 = rows.dtype == tf.bfloat16.as_numpy_dtype  # which DLPack does not know from numpy
    plain = np.asarray(rows.view(np.uint16) if is_bfloat16 else rows)
    whole = tf.experimental.dlpack.from_dlpack(plain.__dlpack__())

    def read_at(index: tf.Tensor) -> tf.Tensor:
        found = tf.gather(whole, index)
        return tf.bitcast(found, tf.bfloat16) if is_bfloat16 else found

    return read_at
