"""The bytes of an image file as numbers, in graph operations: reading, searching, refusing.

Graph operations, because the same decoder serves tf.data and the serving signature of an export. Nothing here
raises for a place outside the file: what is not there reads as 0.
"""

from typing import Any

import tensorflow as tf

from ftdata.decoding import headers

# For a function that is built once and not copied into every graph; what is never called is never instantiated.
APART: dict[str, Any] = {"autograph": False, "experimental_attributes": {"_noinline": True}}
STEPS = 50_000  # segments or chunks that a walk through a file passes before it gives up


def read(encoded: tf.Tensor, position: tf.Tensor | int, count: int) -> tf.Tensor:
    """The `count` bytes from `position` on, int32 [count]."""
    return tf.cast(tf.io.decode_raw(cut(encoded, position, count), tf.uint8, fixed_length=count), tf.int32)


def cut(encoded: tf.Tensor, position: tf.Tensor | int, count: tf.Tensor | int) -> tf.Tensor:
    """The bytes from `position` on, at most `count`: a scalar string."""
    inside = tf.clip_by_value(position, 0, tf.strings.length(encoded))
    return tf.strings.substr(encoded, inside, tf.maximum(count, 0))


def numbers(content: tf.Tensor) -> tf.Tensor:
    """All bytes of a scalar string, int32 [n]."""
    return tf.cast(tf.io.decode_raw(content, tf.uint8), tf.int32)


def join(values: tf.Tensor) -> tf.Tensor:
    """int32 [n] below 256 -> a scalar string of n bytes."""
    every = tf.constant([bytes([value]) for value in range(256)])
    return tf.strings.reduce_join(tf.gather(every, values))


def same(values: tf.Tensor, expected: bytes) -> tf.Tensor:
    """Whether int32 [n] are the n bytes of `expected`; bool scalar."""
    return tf.reduce_all(values == list(expected))


def little(values: tf.Tensor) -> tf.Tensor:
    """Bytes [..., n], the lowest first -> int64 [...]."""
    places = tf.constant([256**k for k in range(values.shape[-1])], tf.int64)
    return tf.reduce_sum(tf.cast(values, tf.int64) * places, axis=-1)


def big(values: tf.Tensor) -> tf.Tensor:
    """Bytes [..., n], the highest first -> int64 [...]."""
    return little(tf.reverse(values, [-1]))


def signed(value: tf.Tensor) -> tf.Tensor:
    """A number of 32 bits as two's complement."""
    return tf.where(value >= 2**31, value - 2**32, value)


def refuse_unless(condition: tf.Tensor, reason: str) -> tf.Operation:
    """Raises InvalidArgumentError with `reason` where the condition does not hold."""
    return tf.debugging.Assert(condition, [reason])


def refuse_size(width: tf.Tensor, height: tf.Tensor, *, frames: tf.Tensor | int = 1) -> tf.Operation:
    """Raises InvalidArgumentError where an image claims no pixels, or more than `headers.MAX_PIXELS` (int64 sides)."""
    each, most = width * height, tf.constant(headers.MAX_PIXELS, tf.int64)
    fits = (width >= 1) & (height >= 1) & (each <= most) & (tf.minimum(each, most) * tf.cast(frames, tf.int64) <= most)
    sides = tf.strings.join([tf.strings.as_string(width), tf.strings.as_string(height)], " x ")
    limit = f" pixels claimed, the limit is 1 to {headers.MAX_PIXELS:,} (all frames)"
    return tf.debugging.Assert(fits, [tf.strings.join(["image of ", sides, limit])])
