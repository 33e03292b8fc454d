"""Pixels of a BMP in graph operations; TensorFlow reads few kinds of BMP, and palettes not at all.

1, 4 and 8 bits with a palette, 16 bits with any masks, 24 bits, 32 bits with masks of whole bytes; headers of OS/2 and
of Windows in all versions; either direction. Colours of 16 bits are Pillow's: level * 255 // highest. Format:
Microsoft's documentation of BITMAPFILEHEADER to BITMAPV5HEADER. `headers` refuses the other kinds by name.
"""

import tensorflow as tf

from ftdata.decoding import bytestring, headers

_HEAD = 14 + 124
_NO_MASKS_16, _NO_MASKS_32 = (0x7C00, 0x3E0, 0x1F), (0xFF0000, 0xFF00, 0xFF)


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """uint8 [height, width, 3].

    Raises:
      tf.errors.InvalidArgumentError: a kind that is not read, pixels that are cut off, or more of them than
        `headers.MAX_PIXELS`.
    """
    head = bytestring.read(encoded, 0, _HEAD)

    def number(position: int, count: int = 4) -> tf.Tensor:
        return bytestring.little(head[position : position + count])

    none, one = tf.constant(0, tf.int64), tf.constant(1, tf.int64)
    size = number(14)
    is_core = size == 12
    width = tf.where(is_core, number(18, 2), bytestring.signed(number(18)))
    height = tf.where(is_core, number(20, 2), bytestring.signed(number(22)))
    bits = tf.where(is_core, number(24, 2), number(28, 2))
    compression = tf.where(is_core, none, number(30))
    colors = tf.where(
        is_core | (number(46) == 0), tf.bitwise.left_shift(one, tf.minimum(bits, 8)), tf.minimum(number(46), 65536)
    )
    entry = tf.where(is_core, 3 * one, 4 * one)
    palette = 14 + size
    start = number(10)
    forgets_palette = (bits <= 8) & ((start == palette) | (start == 0))
    start = tf.where(forgets_palette, palette + entry * colors, start)
    stride = (width * bits + 31) // 32 * 4
    needed = stride * tf.abs(height)
    known = tf.reduce_any([(bits == b) & (compression == c) for b, c in headers.BMP_KINDS])
    checks = [
        bytestring.refuse_unless(known & tf.reduce_any(size == headers.BMP_HEADERS), "BMP of an unsupported kind"),
        bytestring.refuse_size(width, tf.abs(height)),
    ]
    with tf.control_dependencies(checks):
        cut_off = tf.cast(tf.strings.length(encoded), tf.int64) < start + needed
    with tf.control_dependencies([bytestring.refuse_unless(~cut_off, "truncated BMP")]):
        first, rows, columns = (tf.cast(value, tf.int32) for value in (start, tf.abs(height), width))
    masks = tf.where(compression == 0, tf.zeros([3], tf.int64), bytestring.little(tf.reshape(head[54:66], [3, 4])))
    pixels = tf.io.decode_raw(bytestring.cut(encoded, first, tf.cast(needed, tf.int32)), tf.uint8)
    pixels = tf.reshape(pixels, [rows, tf.cast(stride, tf.int32)])
    pixels = tf.cond(height > 0, lambda: tf.reverse(pixels, [0]), lambda: pixels)  # the lowest row comes first

    def looked_up(depth: int) -> tf.Tensor:
        table = bytestring.cut(encoded, tf.cast(palette, tf.int32), tf.cast(entry * tf.minimum(colors, 256), tf.int32))
        return _by_palette(pixels, depth, _colours(table, is_core), columns)

    readers = (
        *(lambda depth=depth: looked_up(depth) for depth in (1, 4, 8)),
        lambda: _from_16_bits(tf.reshape(pixels[:, : 2 * columns], [rows, columns, 2]), masks),
        lambda: tf.reverse(tf.reshape(pixels[:, : 3 * columns], [rows, columns, 3]), [-1]),
        lambda: _from_32_bits(tf.reshape(pixels[:, : 4 * columns], [rows, columns, 4]), masks),
    )
    return tf.switch_case(tf.argmax(bits == [1, 4, 8, 16, 24, 32], output_type=tf.int32), readers)


def _colours(table: tf.Tensor, is_core: tf.Tensor) -> tf.Tensor:
    """A palette in a file -> uint8 [256, 3], RGB, black where it ends earlier."""
    four = tf.reshape(tf.io.decode_raw(table, tf.uint8, fixed_length=1024), [256, 4])[:, 2::-1]
    three = tf.reshape(tf.io.decode_raw(table, tf.uint8, fixed_length=768), [256, 3])[:, ::-1]
    return tf.where(is_core, three, four)


def _by_palette(pixels: tf.Tensor, depth: int, colours: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Looks whole bytes up, which holds fewer numbers at a time than looking each pixel up."""
    shifts = tf.range(8 - depth, -1, -depth)
    numbers = tf.bitwise.bitwise_and(tf.bitwise.right_shift(tf.range(256)[:, None], shifts), 2**depth - 1)
    by_byte = tf.gather(colours, numbers)  # [256, pixels in a byte, 3]
    needed = (columns * depth + 7) // 8
    found = tf.gather(by_byte, tf.cast(pixels[:, :needed], tf.int32))
    return tf.reshape(found, [tf.shape(pixels)[0], needed * (8 // depth), 3])[:, :columns]


def _from_16_bits(pixels: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
    masks = tf.where(tf.reduce_all(masks == 0), tf.constant(_NO_MASKS_16, tf.int64), masks)
    lowest = tf.maximum(tf.bitwise.bitwise_and(masks, -masks), 1)
    values = tf.range(65536, dtype=tf.int64)[:, None]
    levels = tf.bitwise.bitwise_and(values, masks) // lowest * 255 // tf.maximum(masks // lowest, 1)
    return tf.gather(tf.cast(levels, tf.uint8), tf.cast(tf.bitcast(pixels, tf.uint16), tf.int32))


def _from_32_bits(pixels: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
    masks = tf.where(tf.reduce_all(masks == 0), tf.constant(_NO_MASKS_32, tf.int64), masks)
    of_bytes = masks[:, None] == tf.constant([0xFF << shift for shift in (0, 8, 16, 24)], tf.int64)
    is_whole = tf.reduce_all(tf.reduce_any(of_bytes, axis=1))
    with tf.control_dependencies([bytestring.refuse_unless(is_whole, "BMP of an unsupported kind")]):
        return tf.gather(pixels, tf.argmax(of_bytes, axis=1), axis=-1)
