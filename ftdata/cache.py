"""Where decoded pictures rest between epochs. Here: host memory, as one uint8 tensor.

Nothing random happens before the cache, so that every epoch is augmented afresh.
"""

import functools
import mmap

import numpy as np
import tensorflow as tf

from ftdata import decode
from ftdata.config import DataConfig
from ftdata.source import Split

_CHUNK = 64
_UNREACHABLE = (tf.errors.NotFoundError, tf.errors.PermissionDeniedError)


def in_memory(split: Split, config: DataConfig) -> tf.Tensor:
    """Decodes a split once, on all cores.

    Args:
      split: what to decode; its order is kept.
      config: `image_size` (set), `resize` and `interpolation`.

    Returns:
      uint8 [n, image_size, image_size, 3] in host memory, without a second copy.

    Raises:
      ValueError: a file that cannot be read or decoded; the message names it.
    """
    side = config.image_size
    assert side is not None, "image_size is set before the cache is filled"
    images = _page_aligned((len(split), side, side, 3))
    read = functools.partial(decode.decode, image_size=side, resize=config.resize, interpolation=config.interpolation)
    chunks = split.encoded().map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(_CHUNK).prefetch(2)
    filled = 0
    try:
        for chunk in chunks.as_numpy_iterator():
            images[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
    except (tf.errors.InvalidArgumentError, *_UNREACHABLE) as error:
        raise ValueError(_name_unreadable(split, read, filled)) from error
    return tf.experimental.dlpack.from_dlpack(images.__dlpack__())


def _page_aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Private memory at a page boundary: TensorFlow takes an array over without copying if it is aligned."""
    size = max(1, int(np.prod(shape)))
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, np.uint8, count=int(np.prod(shape))).reshape(shape)


def _name_unreadable(split: Split, read: functools.partial, start: int) -> str:
    """The message for the first picture from `start` on that cannot be read or decoded."""
    reader = tf.function(read, input_signature=[tf.TensorSpec((), tf.string)])
    encoded = iter(split.encoded().skip(start))
    for name in split.names[start:]:
        try:
            reader(next(encoded))
        except tf.errors.InvalidArgumentError as error:
            reason = error.message.split("\n")[0].split("}} ")[-1]
            return f"cannot decode {name}: {reason}. Remove or replace the file and start again"
        except _UNREACHABLE:
            return f"cannot read {name}: the file is gone, or its permissions forbid it"
    return "an image could not be decoded, but decodes now: is the data set being changed?"
