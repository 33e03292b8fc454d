"""Decode a whole split once, on all cores, into an array that somebody else has allocated."""

import concurrent.futures
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ftdata import decode, exif, jpeg
from ftdata.config import DataConfig
from ftdata.encoded import Split

_CHUNK = 64
_READERS = 16  # they wait for the disk, not for a core
_UNREACHABLE = (tf.errors.NotFoundError, tf.errors.PermissionDeniedError)

Decoder = Callable[[tf.Tensor], tf.Tensor]


def fill(images: np.ndarray, split: Split, config: DataConfig) -> None:
    """Decodes `split` into `images`, uint8 [n, image_size, image_size, 3], in its order.

    Raises:
      ValueError: a file that cannot be read or decoded; the message names it.
    """
    if not len(split):
        return
    chunks = _decoded(split, decode.Decoding.of(config)).batch(_CHUNK).prefetch(2)
    filled = 0
    try:
        for chunk in chunks.as_numpy_iterator():
            images[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
    except (tf.errors.InvalidArgumentError, *_UNREACHABLE) as error:
        raise ValueError(_name_unreadable(split, decode.Decoding.of(config).any_format, filled)) from error


def _decoded(split: Split, how: decode.Decoding) -> tf.data.Dataset:
    """The pictures in order, plain JPEGs by a graph of their own."""
    plain = _are_plain(split)
    readers = [(how.any_format, split.positions[~plain]), (how.plain_jpeg, split.positions[plain])]
    parts = [
        split.open_at(positions).map(read, num_parallel_calls=tf.data.AUTOTUNE)
        for read, positions in readers
        if len(positions)
    ]
    if len(parts) == 1:
        return parts[0]
    choice = tf.data.Dataset.from_tensor_slices(plain.astype(np.int64))
    return tf.data.Dataset.choose_from_datasets(parts, choice, stop_on_empty_dataset=False)


def _are_plain(split: Split) -> np.ndarray:
    """Which files are plain JPEGs, bool [n]; one that cannot be read is not."""
    if split.paths is None:
        return np.array([jpeg.is_plain(encoded) for encoded in split.encoded().as_numpy_iterator()], bool)
    with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
        return np.fromiter(pool.map(_file_is_plain, split.paths), bool, count=len(split))


def _file_is_plain(path: bytes) -> bool:
    try:
        with open(path, "rb") as stream:
            return jpeg.is_plain(stream.read(exif.HEAD))
    except OSError:
        return False


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


def reason(error: tf.errors.InvalidArgumentError) -> str:
    """What the decoder said, without the trace around it."""
    trace = (" ", "\t", "Graph execution error", "Detected at node")
    lines = [line for line in error.message.splitlines() if line.strip() and not line.startswith(trace)]
    return (lines[0] if lines else "damaged").split("}} ")[-1].rstrip(".")
