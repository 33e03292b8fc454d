"""Decode a whole split once, on all cores, and hand it to whoever stores it."""

import mmap
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata import parallelism
from ftdata.cache import in_flight
from ftdata.config import DataConfig
from ftdata.decoding import jpeg
from ftdata.decoding.decode import Decoding
from ftdata.decoding.errors import decode_error, own_error
from ftdata.errors import UserError
from ftdata.sources.split import Split

_CHUNK, _CHUNK_BYTES = 16, 2**23
_CHUNKS_A_CORE = 8  # at least, so that no core waits for the last chunk of another
_UNREACHABLE = (tf.errors.NotFoundError, tf.errors.PermissionDeniedError)

Store = Callable[[np.ndarray, np.ndarray], None]


def decode_into(store: Store, split: Split, config: DataConfig) -> None:
    """Decodes `split`, plain JPEGs by a graph of their own.

    Args:
      store: called as `store(places, images)` with places, int64 [k], in the split's order, and the images that
        belong there, uint8 [k, image_size, image_size, channels]; once for each place. `array.__setitem__` is one.
      split: what to decode.
      config: `image_size` (set) and the other decode settings.

    Raises:
      UserError: a file that cannot be read or decoded; the message names it.
    """
    decoding, plain = Decoding.of(config), _are_plain(split)
    for is_plain, chosen in ((True, plain), (False, ~plain)):
        if chosen.any():
            _fill_part(store, split.subset(chosen), np.flatnonzero(chosen), decoding, is_plain)


def in_memory(split: Split, config: DataConfig) -> tf.Tensor:
    """uint8 [n, image_size, image_size, channels] in host memory, without a second copy; raises as `decode_into`."""
    store = empty_store(len(split), config)
    decode_into(store.__setitem__, split, config)
    return tf.experimental.dlpack.from_dlpack(store.__dlpack__())


def empty_store(count: int, config: DataConfig) -> np.ndarray:
    """Room for decoded images, uint8 [count, image_size, image_size, channels].

    It is private memory at a page boundary: TensorFlow takes an array over without a copy if it is aligned.
    """
    side = config.image_size or 0
    return aligned((count, side, side, config.channels), np.uint8)


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of zeros at a page boundary; pages that nobody writes to take no memory."""
    size = int(np.prod(shape))
    pages = mmap.mmap(-1, max(1, size * np.dtype(dtype).itemsize), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, dtype, count=size).reshape(shape)


def _fill_part(store: Store, part: Split, places: np.ndarray, decoding: Decoding, is_plain: bool) -> None:
    filled = 0
    try:
        for chunk in _decoded(part, decoding, is_plain).as_numpy_iterator():
            store(places[filled : filled + len(chunk)], chunk)
            filled += len(chunk)
    except (tf.errors.InvalidArgumentError, *_UNREACHABLE) as error:
        if (said := own_error(error)) is not None:
            raise UserError(said) from error
        raise UserError(_name_unreadable(part, decoding, filled)) from error


def _decoded(split: Split, decoding: Decoding, is_plain: bool) -> tf.data.Dataset:
    """The images in order, in chunks: a call of the graph for each image would cost as much as a small JPEG."""
    pixels = decoding.channels * decoding.image_size**2
    small = in_flight.of_batches(split, decoding)[1] is None
    most = min(_CHUNK, _CHUNK_BYTES // pixels, len(split) // (_CHUNKS_A_CORE * parallelism.CORES))

    def decoded(chunk: tf.Tensor) -> tf.Tensor:
        return decoding.decode_batch(chunk, plain=is_plain, read=split.read, parallel_iterations=1, together=small)

    chunks = split.open_at(split.positions).batch(max(1, most))
    calls = min(parallelism.CORES, in_flight.most(split, decoding) or parallelism.CORES)
    return chunks.map(decoded, num_parallel_calls=calls).prefetch(2)


def _are_plain(split: Split) -> np.ndarray:
    """Which files are plain JPEGs, bool [n]."""
    if split.plain is not None:
        return split.plain
    return np.array([jpeg.is_plain_jpeg(encoded) for encoded in split.encoded().as_numpy_iterator()], bool)


def _name_unreadable(split: Split, decoding: Decoding, start: int) -> str:
    """The message for the first image from `start` on that cannot be read or decoded."""
    reader = tf.function(decoding.any_format, input_signature=[tf.TensorSpec((), tf.string)])
    encoded = iter(split.encoded().skip(start))
    for name in split.names[start:]:
        try:
            reader(next(encoded))
        except tf.errors.InvalidArgumentError as error:
            return f"cannot decode {name}: {decode_error(error)}. Remove or replace the file and start again"
        except _UNREACHABLE:
            return f"cannot read {name}: the file is gone, or its permissions forbid it"
    return "an image could not be decoded, but decodes now: is the data set being changed?"
