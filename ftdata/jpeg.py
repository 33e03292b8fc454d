"""Pixels of a JPEG, whole or at a fraction of its size; graph operations only."""

import tensorflow as tf

from ftdata import exif

_START = b"\xff\xd8\xff"
_RATIOS = (8, 4, 2)  # what the inverse DCT of libjpeg can leave out


def is_plain(head: bytes) -> bool:
    """Whether a file is a JPEG stored upright, told by its first `exif.HEAD` bytes.

    Known before the graph is built, it spares a small picture half of its cost: the branches for other formats and
    for EXIF cost as much as decoding 200x200 pixels, though they do nothing.
    """
    return head.startswith(_START) and head.find(b"Exif\0\0", 0, exif.HEAD) < 0


def is_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """Whether a scalar string begins as a JPEG does; bool scalar."""
    return tf.strings.substr(encoded, 0, len(_START)) == _START


def stored(encoded: tf.Tensor) -> tf.Tensor:
    """The stored pixels, uint8 [height, width, 3], those of PIL.

    INTEGER_ACCURATE with fancy upscaling; TensorFlow's default is off by up to 5 levels.
    """
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def scaled(encoded: tf.Tensor, *, least_side: int, of: str) -> tf.Tensor:
    """The stored pixels at 1/2, 1/4 or 1/8 of their size, the smallest that `least_side` allows.

    Args:
      encoded: scalar string, the file.
      least_side: pixels that are needed.
      of: which side has to have them, `shorter` or `longer`.

    Returns:
      uint8 [ceil(height / ratio), ceil(width / ratio), 3]; the whole picture where it is less than twice as large.
    """
    shape = tf.image.extract_jpeg_shape(encoded)[:2]
    side = tf.reduce_min(shape) if of == "shorter" else tf.reduce_max(shape)
    readers = [lambda: stored(encoded)] + [lambda ratio=ratio: _at(encoded, ratio) for ratio in reversed(_RATIOS)]
    steps = tf.reduce_sum(tf.cast(side >= tf.constant(_RATIOS) * least_side, tf.int32))
    return tf.switch_case(steps, readers)


def _at(encoded: tf.Tensor, ratio: int) -> tf.Tensor:
    return tf.io.decode_jpeg(encoded, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")
