"""Look at every image of a split once, cheaply: its size, and a hash that images which look alike share.

The hash stays own, because a library's would decode every image once more, one by one in Python: here it comes out of
the same pass as the size, of JPEGs decoded at a fraction of their pixels.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from ftdata.decoding import decode, exif, jpeg
from ftdata.sources.split import Split
from trainers.doctor.duplicates import WORDS

_CHUNK = 256
_ENOUGH = 64  # pixels a side are plenty for the hash: libjpeg shrinks while it decodes, at a fraction of the time
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


def survey(split: Split) -> Survey:
    """Surveys the images of a split on all cores; what cannot be read or decoded stops nothing."""
    count = len(split)
    seen = Survey(np.zeros((count, 2), np.int32), np.zeros((count, WORDS), np.uint64), *np.zeros((2, count), bool))
    looked = split.encoded().enumerate().map(_look, num_parallel_calls=tf.data.AUTOTUNE)
    for position, size, bits, is_blank in looked.ignore_errors().batch(_CHUNK).as_numpy_iterator():
        seen.sizes[position] = size
        seen.hashes[position] = np.packbits(bits, axis=1).view(np.uint64)
        seen.is_readable[position] = True
        seen.is_blank[position] = is_blank
    return seen


def _look(position: tf.Tensor, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """(position, size int32 [2], bits bool [64 + 256], is_blank) of one image."""
    image, size = tf.cond(jpeg.is_jpeg(encoded), lambda: _shrunk_jpeg(encoded), lambda: _whole(encoded))
    grey = tf.image.rgb_to_grayscale(tf.cast(image, tf.float32))
    coarse, fine = (tf.image.resize(grey, [side, side + 1], antialias=True)[..., 0] for side in (8, 16))
    is_blank = tf.reduce_max(coarse) - tf.reduce_min(coarse) < _BLANK
    bits = [tf.reshape(cells[:, 1:] > cells[:, :-1], [-1]) for cells in (coarse, fine)]
    return position, size, tf.concat(bits, axis=0), is_blank


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
