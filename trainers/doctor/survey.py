"""Look at every image once, cheaply: its size, and a hash that images which look alike share.

The hash stays own, because a library's would decode every image once more, one by one in Python: here it comes out of
the same pass as the size, of JPEGs decoded at a fraction of their pixels.
"""

import dataclasses
import functools
import re
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from ftdata.cache import in_flight
from ftdata.decoding import decode, exif, jpeg, npy
from ftdata.sources.split import Split
from trainers.doctor.duplicates import WORDS

_CHUNK = 256
_ENOUGH = 64  # pixels a side are plenty for the hash: libjpeg shrinks while it decodes, at a fraction of the time
_BYTES = 9  # a pixel and channel of what is no JPEG: of bytes, of floats and of grey ones, measured 8.8
_LARGE = 2**22  # pixels; smaller images fit into memory however many cores there are
_JPEG = re.compile(r"\.jpe?g$", re.IGNORECASE)
_BLANK = 3.0  # grey levels; an image that varies less has nothing to be compared by


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was seen of n images.

    `sizes` is int32 [n, 2], height and width as the image is shown. `hashes` is uint64 [n, 5]: bit by bit, whether a
    cell of the image shrunk to 8 x 9 grey ones (the first word) and to 16 x 17 (the others) is brighter than the one
    before it (Krawetz's "difference hash").
    `is_readable` is bool [n], False for what cannot be read or decoded, and `is_blank` bool [n], True for images of
    one colour, whose hashes say nothing.
    """

    sizes: np.ndarray
    hashes: np.ndarray
    is_readable: np.ndarray
    is_blank: np.ndarray


def survey(splits: Mapping[str, Split], *, channels: int = 3) -> dict[str, Survey]:
    """Surveys the images of splits on all cores, by name; what cannot be read or decoded stops nothing.

    In one pass over all of them, because TensorFlow prepares the graph for each anew, which takes a second. Of other
    `channels` than 3 the grey that is hashed is their mean.
    """
    counts = [len(split) for split in splits.values()]
    total, ends = sum(counts), np.cumsum(counts)
    sizes, hashes = np.zeros((total, 2), np.int32), np.zeros((total, WORDS), np.uint64)
    is_readable, is_blank = np.zeros((2, total), bool)
    encoded = functools.reduce(tf.data.Dataset.concatenate, [split.encoded() for split in splits.values()])
    look = _look if channels == 3 else functools.partial(_look_at_channels, channels=channels)
    largest = max((_largest(split) for split in splits.values()), default=0)
    calls = in_flight.calls(largest, channels=channels, bytes_each=_BYTES)
    looked = encoded.enumerate().map(look, num_parallel_calls=calls)
    for position, size, bits, blank in looked.ignore_errors().batch(_CHUNK).as_numpy_iterator():
        sizes[position] = size
        hashes[position] = np.packbits(bits, axis=1).view(np.uint64)
        is_readable[position] = True
        is_blank[position] = blank
    parts = [slice(end - count, end) for count, end in zip(counts, ends, strict=True)]
    return {
        name: Survey(sizes[part], hashes[part], is_readable[part], is_blank[part])
        for name, part in zip(splits, parts, strict=True)
    }


def _largest(split: Split) -> int:
    """The pixels of the largest image as it is decoded here, of large JPEGs an eighth of each side."""
    if split.pixels is None or not len(split):
        return 0
    large = np.flatnonzero(split.pixels > _LARGE)
    others = [place for place, name in zip(large, split.names.take(large), strict=True) if not _JPEG.search(name)]
    return max(int(split.pixels.max()) // 64, int(split.pixels[others].max(initial=0)))


# traced once: that takes a second
@tf.function(input_signature=[tf.TensorSpec((), tf.int64), tf.TensorSpec((), tf.string)], autograph=False)
def _look(position: tf.Tensor, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """(position, size int32 [2], bits bool [64 + 256], is_blank) of one image."""
    image, size = tf.cond(jpeg.is_jpeg(encoded), lambda: _shrunk_jpeg(encoded), lambda: _whole(encoded))
    return position, size, *_hashed(tf.image.rgb_to_grayscale(tf.cast(image, tf.float32)))


def _look_at_channels(
    position: tf.Tensor, encoded: tf.Tensor, *, channels: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """As `_look`, of an image of so many channels."""
    image = npy.decode(encoded, channels)
    grey = tf.reduce_mean(tf.cast(image, tf.float32), axis=-1, keepdims=True)
    return position, tf.shape(image)[:2], *_hashed(grey)


def _hashed(grey: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(bits bool [64 + 256], is_blank) of float32 [height, width, 1]."""
    coarse, fine = (tf.image.resize(grey, [side, side + 1], antialias=True)[..., 0] for side in (8, 16))
    is_blank = tf.reduce_max(coarse) - tf.reduce_min(coarse) < _BLANK
    bits = [tf.reshape(cells[:, 1:] > cells[:, :-1], [-1]) for cells in (coarse, fine)]
    return tf.concat(bits, axis=0), is_blank


def _whole(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    image = decode.decode_full(encoded)
    return image, tf.shape(image)[:2]


def _shrunk_jpeg(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The upright image, at an eighth of its size or more, and its full size."""
    stored = tf.io.extract_jpeg_shape(encoded)[:2]
    found = jpeg.understood(encoded)
    encoded, turned = found.encoded, found.orientation
    side = tf.reduce_min(stored)
    readers = {
        ratio: lambda ratio=ratio: tf.io.decode_jpeg(encoded, channels=3, ratio=ratio, dct_method="INTEGER_FAST")
        for ratio in (8, 4, 2)
    }
    image = tf.case(
        [(side >= ratio * _ENOUGH, reader) for ratio, reader in readers.items()],
        default=lambda: tf.io.decode_jpeg(encoded, channels=3),
    )
    image = exif.upright(tf.ensure_shape(image, [None, None, 3]), turned)
    return image, tf.where(turned >= 5, stored[::-1], stored)
