"""Decode a whole split once, on all cores, into an array that somebody else has allocated."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ftdata import decode
from ftdata.config import DataConfig
from ftdata.encoded import Split

_CHUNK = 64
_UNREACHABLE = (tf.errors.NotFoundError, tf.errors.PermissionDeniedError)

Decoder = Callable[[tf.Tensor], tf.Tensor]


def decoder(config: DataConfig) -> Decoder:
    """The function from a file's bytes to uint8 [image_size, image_size, 3] that `config` asks for."""
    assert config.image_size is not None, "image_size is set before anything is decoded"
    return functools.partial(
        decode.decode, image_size=config.image_size, resize=config.resize, interpolation=config.interpolation
    )


def fill(images: np.ndarray, split: Split, config: DataConfig) -> None:
    """Decodes `split` into `images`, uint8 [n, image_size, image_size, 3], in its order.

    Raises:
      ValueError: a file that cannot be read or decoded; the message names it.
    """
    read = decoder(config)
    chunks = split.encoded().map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(_CHUNK).prefetch(2)
    filled = 0
    try:
        for chunk in chunks.as_numpy_iterator():
            images[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
    except (tf.errors.InvalidArgumentError, *_UNREACHABLE) as error:
        raise ValueError(_name_unreadable(split, read, filled)) from error


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
