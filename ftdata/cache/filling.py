"""Decode a whole split once, on all cores, and hand it to whoever stores it."""

import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ftdata.config import DataConfig
from ftdata.decoding import decode, jpeg
from ftdata.decoding.errors import reason
from ftdata.errors import UserError
from ftdata.sources.split import Split

_CHUNK, _CHUNK_BYTES = 16, 2**23
_CHUNKS_A_CORE = 8  # at least, so that no core waits for the last chunk of another
_UNREACHABLE = (tf.errors.NotFoundError, tf.errors.PermissionDeniedError)

Decoder = Callable[[tf.Tensor], tf.Tensor]
Store = Callable[[np.ndarray, np.ndarray], None]


def decode_into(store: Store, split: Split, config: DataConfig) -> None:
    """Decodes `split`, plain JPEGs by a graph of their own.

    Args:
      store: called as `store(places, pictures)` with places, int64 [k], in the split's order, and the pictures that
        belong there, uint8 [k, image_size, image_size, 3]; once for each place. `array.__setitem__` is one.
      split: what to decode.
      config: `image_size` (set) and the other decode settings.

    Raises:
      UserError: a file that cannot be read or decoded; the message names it.
    """
    how, plain = decode.Decoding.of(config), _are_plain(split)
    for read, chosen in ((how.plain_jpeg, plain), (how.any_format, ~plain)):
        if chosen.any():
            _fill_part(store, split.subset(chosen), np.flatnonzero(chosen), read, how)


def _fill_part(store: Store, part: Split, places: np.ndarray, read: Decoder, how: decode.Decoding) -> None:
    filled = 0
    try:
        for chunk in _decoded(part, read, side=how.image_size).as_numpy_iterator():
            store(places[filled : filled + len(chunk)], chunk)
            filled += len(chunk)
    except (tf.errors.InvalidArgumentError, *_UNREACHABLE) as error:
        raise UserError(_name_unreadable(part, how.any_format, filled)) from error


def _decoded(split: Split, read: Decoder, *, side: int) -> tf.data.Dataset:
    """The pictures in order, in chunks: a call of the graph for each picture would cost as much as a small JPEG."""
    most = min(_CHUNK, _CHUNK_BYTES // (3 * side * side), len(split) // (_CHUNKS_A_CORE * (os.cpu_count() or 1)))
    picture = tf.TensorSpec((side, side, 3), tf.uint8)

    def decoded(chunk: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(lambda item: read(split.read(item)), chunk, fn_output_signature=picture, parallel_iterations=1)

    chunks = split.open_at(split.positions).batch(max(1, most))
    return chunks.map(decoded, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def _are_plain(split: Split) -> np.ndarray:
    """Which files are plain JPEGs, bool [n]."""
    if split.plain is not None:
        return split.plain
    return np.array([jpeg.is_plain(encoded) for encoded in split.encoded().as_numpy_iterator()], bool)


def _name_unreadable(split: Split, read: Decoder, start: int) -> str:
    """The message for the first picture from `start` on that cannot be read or decoded."""
    reader = tf.function(read, input_signature=[tf.TensorSpec((), tf.string)])
    encoded = iter(split.encoded().skip(start))
    for name in split.names[start:]:
        try:
            reader(next(encoded))
        except tf.errors.InvalidArgumentError as error:
            return f"cannot decode {name}: {reason(error)}. Remove or replace the file and start again"
        except _UNREACHABLE:
            return f"cannot read {name}: the file is gone, or its permissions forbid it"
    return "an image could not be decoded, but decodes now: is the data set being changed?"
