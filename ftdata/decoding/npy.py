"""Pixels of a .npy file in graph operations: images of any number of channels, for --channels other than 3.

The file is that of `numpy.save`: uint8 or uint16 [height, width, channels], in either order of bytes and of axes. Of 16
bits the highest eight count, `value >> 8`, as everywhere. `npy_header` says the same of a file before it is decoded.
"""

import tensorflow as tf

from ftdata.decoding import bytestring, npy_header


def decode(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """uint8 [height, width, channels].

    Args:
      encoded: scalar string, the bytes of a file.
      channels: that it must have.

    Raises:
      tf.errors.InvalidArgumentError: no such file, another number of channels, more or fewer bytes than it claims, or
        more pixels than `headers.MAX_PIXELS`.
    """
    head = bytestring.read(encoded, 0, 12)
    is_first = head[6] == 1
    start = tf.where(is_first, 10, 12)
    length = tf.where(is_first, bytestring.little(head[8:10]), bytestring.little(head[8:12]))
    text = bytestring.cut(encoded, start, tf.cast(tf.minimum(length, npy_header.LONGEST), tf.int32))
    version = tf.reduce_any(head[6] == [1, 2]) & (head[7] == 0)
    patterns = (npy_header.SHAPE, npy_header.DTYPE, npy_header.ORDER)
    matches = [tf.strings.regex_full_match(text, pattern) for pattern in patterns]
    known = bytestring.same(head[:6], npy_header.MAGIC) & version & (length <= npy_header.LONGEST)
    wanted = f"no .npy file of uint8 or uint16 pixels [height, width, {channels}]"
    with tf.control_dependencies([bytestring.refuse_unless(known & tf.reduce_all(matches), wanted)]):
        text = tf.identity(text)
    height, width = _number(text, 1), _number(text, 2)
    found = _channels(text, only_one=channels == 1)
    size = tf.strings.to_number(tf.strings.regex_replace(text, npy_header.DTYPE, r"\2"), tf.int64)
    needed = height * width * found * size
    begin = tf.cast(start, tf.int64) + length
    checks = [
        _refuse_channels(found, channels),
        bytestring.refuse_size(width, height),
        bytestring.refuse_unless(needed <= npy_header.MAX_BYTES, "too many bytes of samples"),
        bytestring.refuse_unless(
            begin + needed == tf.cast(tf.strings.length(encoded), tf.int64), "other bytes than its header claims"
        ),
    ]
    with tf.control_dependencies(checks):
        begin, needed = tf.cast(begin, tf.int32), tf.cast(needed, tf.int32)
    values = tf.io.decode_raw(bytestring.cut(encoded, begin, needed), tf.uint8)
    is_big = tf.strings.regex_replace(text, npy_header.DTYPE, r"\1") == b">"
    values = tf.cond(size == 1, lambda: values, lambda: _high_bytes(values, is_big))
    is_fortran = tf.strings.regex_replace(text, npy_header.ORDER, r"\1") == b"True"
    return _in_order(values, tf.cast(tf.stack([height, width, found]), tf.int32), is_fortran, channels)


def _number(text: tf.Tensor, group: int) -> tf.Tensor:
    return tf.strings.to_number(tf.strings.regex_replace(text, npy_header.SHAPE, rf"\{group}"), tf.int64)


def _channels(text: tf.Tensor, *, only_one: bool) -> tf.Tensor:
    """The third side; of two sides 1 where that is expected, and 0, which nothing expects, elsewhere."""
    third = tf.strings.regex_replace(text, npy_header.SHAPE, r"\3")
    return tf.strings.to_number(tf.where(third == b"", b"1" if only_one else b"0", third), tf.int64)


def _refuse_channels(found: tf.Tensor, channels: int) -> tf.Operation:
    reason = tf.strings.join(["has ", tf.strings.as_string(found), f" channels, --channels={channels} expected"])
    return tf.debugging.Assert(tf.equal(found, channels), [reason])


def _high_bytes(values: tf.Tensor, is_big: tf.Tensor) -> tf.Tensor:
    pairs = tf.reshape(values, [-1, 2])
    return tf.cond(is_big, lambda: pairs[:, 0], lambda: pairs[:, 1])


def _in_order(values: tf.Tensor, shape: tf.Tensor, is_fortran: tf.Tensor, channels: int) -> tf.Tensor:
    image = tf.cond(
        is_fortran,
        lambda: tf.transpose(tf.reshape(values, tf.reverse(shape, [0])), [2, 1, 0]),
        lambda: tf.reshape(values, shape),
    )
    return tf.ensure_shape(image, [None, None, channels])
