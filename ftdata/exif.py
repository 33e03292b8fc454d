"""The EXIF orientation of a JPEG, read in graph operations.

TensorFlow ignores the tag (tensorflow.io.decode_jpeg returns the stored pixels). Graph operations, because
the same decoder serves tf.data and the serving signature of an export. Format: JIS CP-3451 (EXIF 2.32),
segments of JPEG (ITU T.81 annex B), image file directories of TIFF 6.0.
"""

import tensorflow as tf

HEAD = 65536 + 64  # EXIF comes first, in one segment of at most 64 KiB
_MAX_SEGMENTS = 16
_MAX_ENTRIES = 128
_ORIENTATION_TAG = 0x0112


def orientation(jpeg: tf.Tensor) -> tf.Tensor:
    """The orientation tag, int32 scalar from 1 to 8; 1 (upright) where there is none or it is malformed.

    Args:
      jpeg: scalar string, the encoded file.
    """
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(jpeg, 0, HEAD), tf.uint8), tf.int32)
    start = _find_exif(head)
    return tf.cond(start > 0, lambda: _read_orientation(head, start), lambda: tf.constant(1, tf.int32))


def upright(image: tf.Tensor, tag: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors `image` [height, width, channels] as the orientation `tag` asks."""
    image = tf.cond(tag >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    image = tf.cond(_one_of(tag, 2, 3, 6, 7), lambda: tf.reverse(image, [1]), lambda: image)
    return tf.cond(_one_of(tag, 3, 4, 7, 8), lambda: tf.reverse(image, [0]), lambda: image)


def _one_of(tag: tf.Tensor, *choices: int) -> tf.Tensor:
    return tf.reduce_any(tf.equal(tag, tf.constant(choices)))


def _byte(head: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """The byte at `position`; the nearest one for a position outside, so that no file can raise here."""
    return tf.gather(head, tf.clip_by_value(position, 0, tf.size(head) - 1))


def _find_exif(head: tf.Tensor) -> tf.Tensor:
    """Offset of the TIFF header inside the EXIF segment, or 0."""

    def is_exif(position: tf.Tensor) -> tf.Tensor:
        found = _byte(head, position + 4 + tf.range(6))
        return (_byte(head, position + 1) == 0xE1) & tf.reduce_all(found == list(b"Exif\0\0"))

    def is_other_header(position: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        marker = _byte(head, position + 1)
        header = ((marker >= 0xE0) & (marker <= 0xEF)) | (marker == 0xFE)
        more = (count < _MAX_SEGMENTS) & (position + 10 < tf.size(head))
        return more & (_byte(head, position) == 0xFF) & header & ~is_exif(position)

    def skip(position: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        length = _byte(head, position + 2) * 256 + _byte(head, position + 3)
        return position + 2 + length, count + 1

    position, _ = tf.while_loop(is_other_header, skip, (tf.constant(2), tf.constant(0)))
    return tf.where(is_exif(position), position + 10, 0)


def _read_orientation(head: tf.Tensor, tiff: tf.Tensor) -> tf.Tensor:
    mark = _byte(head, tiff + tf.range(4))
    little = tf.reduce_all(mark == list(b"II*\0"))
    is_tiff = little | tf.reduce_all(mark == list(b"MM\0*"))

    def number(position: tf.Tensor, count: int) -> tf.Tensor:
        parts = [_byte(head, position + k) for k in range(count)]
        big_endian = sum(part * 256 ** (count - 1 - k) for k, part in enumerate(parts))
        little_endian = sum(part * 256**k for k, part in enumerate(parts))
        return tf.where(little, little_endian, big_endian)

    # three bytes of the offset are enough: the directory lies within the first 64 KiB
    offset = tf.where(little, number(tiff + 4, 3), number(tiff + 5, 3))
    directory = tiff + tf.minimum(offset, HEAD)
    count = tf.minimum(number(directory, 2), _MAX_ENTRIES)
    entries = directory + 2 + 12 * tf.range(count)
    values = tf.where(number(entries, 2) == _ORIENTATION_TAG, number(entries + 8, 2), 0)
    tag = tf.reduce_max(tf.concat([values, [0]], 0))
    return tf.where(is_tiff & (tag >= 1) & (tag <= 8), tag, 1)
