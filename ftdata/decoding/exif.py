"""The orientation of an image from its EXIF block or its XMP packet, read in graph operations.

TensorFlow ignores it. As Pillow's `ImageOps.exif_transpose`: the orientation of the EXIF block counts, of several
the first; where there is none, that of XMP. Formats: JIS CP-3451 (EXIF 2.32), image file directories of
TIFF 6.0, XMP (ISO 16684-1).

Stays own, because it runs inside the graph, on every image, where no Python library can be called without its lock.
"""

import tensorflow as tf

from ftdata.decoding import bytestring

MOST = 2**20  # bytes of an EXIF block that are looked at
_MARKS = (b"II*\0", b"MM\0*", b"II\0*", b"MM*\0")  # the last two as some programs write them
_ORIENTATION_TAG = 0x0112
_SHORTS, _LONGS = (3, 8), (4, 9, 13)  # types of 16 and of 32 bits
# RE2: \C is any byte
_IN_XMP = r'(?s)^\C*?tiff:Orientation(?:="|>)([0-9])\C*$'


def orientation(block: tf.Tensor, xmp: tf.Tensor | str = "") -> tf.Tensor:
    """The orientation, int32 scalar from 1 to 8; 1 (upright) where there is none or it is malformed.

    Args:
      block: scalar string, an EXIF block, with or without `Exif\\0\\0` before it; empty where there is none.
      xmp: scalar string, an XMP packet.
    """
    is_there = (tf.strings.length(block) > 0) | (tf.strings.length(xmp) > 0)
    return tf.cond(is_there, lambda: _orientation(block, xmp), lambda: tf.constant(1))


@tf.function(input_signature=[tf.TensorSpec((), tf.string)] * 2, **bytestring.APART)
def _orientation(block: tf.Tensor, xmp: tf.Tensor) -> tf.Tensor:
    tag = tf.cond(tf.strings.length(block) > 0, lambda: _from_exif(block), lambda: tf.constant(0, tf.int32))
    tag = tf.cond((tag == 0) & (tf.strings.length(xmp) > 0), lambda: _from_xmp(xmp), lambda: tag)
    return tf.where((tag >= 1) & (tag <= 8), tag, 1)


@tf.autograph.experimental.do_not_convert
def upright(image: tf.Tensor, tag: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors `image` [height, width, channels] as the orientation `tag` asks."""
    image = tf.cond(tag >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    image = tf.cond(_one_of(tag, 2, 3, 6, 7), lambda: tf.reverse(image, [1]), lambda: image)
    return tf.cond(_one_of(tag, 3, 4, 7, 8), lambda: tf.reverse(image, [0]), lambda: image)


def _one_of(tag: tf.Tensor, *choices: int) -> tf.Tensor:
    return tf.reduce_any(tag[..., None] == tf.constant(choices, tag.dtype), axis=-1)


def _from_xmp(xmp: tf.Tensor) -> tf.Tensor:
    digit = tf.strings.regex_replace(xmp, _IN_XMP, r"\1")
    is_digit = tf.strings.regex_full_match(digit, "[0-9]")
    return tf.strings.to_number(tf.where(is_digit, digit, "0"), tf.int32)


def _from_exif(block: tf.Tensor) -> tf.Tensor:
    """The tag's value, 0 where there is no such tag, -1 where it holds no number of 1 to 8."""
    prefixed = tf.strings.substr(block, 0, 6) == b"Exif\0\0"
    head = bytestring.numbers(bytestring.cut(block, tf.where(prefixed, 6, 0), MOST))
    size = tf.cast(tf.size(head), tf.int64)
    head = tf.pad(head, [[0, 12]])

    def read(positions: tf.Tensor, count: int) -> tf.Tensor:
        parts = tf.gather(head, tf.clip_by_value(positions[..., None] + tf.range(count, dtype=tf.int64), 0, size))
        return tf.where(is_little, bytestring.little(parts), bytestring.big(parts))

    mark = head[:4]
    is_little = mark[0] == ord("I")
    is_tiff = tf.reduce_any([bytestring.same(mark, known) for known in _MARKS])
    directory = read(tf.constant(4, tf.int64), 4)
    count = tf.minimum(read(directory, 2), tf.maximum(size - directory - 2, 0) // 12)  # whole entries only
    entries = directory + 2 + 12 * tf.range(count)
    kinds = read(entries + 2, 2)
    is_short, amount = _one_of(kinds, *_SHORTS), read(entries + 4, 4)
    fits = amount * tf.where(is_short, tf.constant(2, tf.int64), 4) <= 4  # else it stands elsewhere
    places = tf.where(fits, entries + 8, read(entries + 8, 4))
    values = tf.where(is_short, read(places, 2), read(places, 4))
    is_number = (is_short | _one_of(kinds, *_LONGS)) & (amount >= 1) & (values >= 1) & (values <= 8)
    values = tf.where(is_number, values, -1)
    found = tf.boolean_mask(values, read(entries, 2) == _ORIENTATION_TAG)
    first = tf.concat([found, tf.zeros([1], tf.int64)], 0)[0]
    return tf.cast(tf.where(is_tiff, first, 0), tf.int32)
