"""Pixels of a PNG, upright; graph operations only.

The orientation stands in an eXIf chunk (PNG, third edition), which may come after the pixels, in the text chunk
`Raw profile type exif` that ImageMagick wrote before there was one, or in XMP.
"""

import tensorflow as tf

from ftdata import bytestring, exif

_RAW_PROFILE, _XMP = b"Raw profile type exif\0", b"XML:com.adobe.xmp\0"
_PREFIX = 64  # bytes of a text chunk that tell what it is


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """uint8 [height, width, 3]; alpha is dropped, of 16 bits the high byte counts.

    Raises:
      tf.errors.InvalidArgumentError: damaged, or more pixels than `headers.MAX_PIXELS`.
    """
    sides = bytestring.big(tf.reshape(bytestring.read(encoded, 16, 8), [2, 4]))
    with tf.control_dependencies([bytestring.refuse_size(sides[0], sides[1])]):
        image = tf.io.decode_png(encoded, channels=3)
    return exif.upright(image, exif.orientation(*_found(encoded)))


def _found(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The EXIF block and the XMP packet, empty where there is none."""
    size = tf.strings.length(encoded)

    def step(position: tf.Tensor, block: tf.Tensor, raw: tf.Tensor, xmp: tf.Tensor) -> tuple[tf.Tensor, ...]:
        head = bytestring.read(encoded, position, 8)
        length = tf.cast(tf.minimum(bytestring.big(head[:4]), tf.cast(size, tf.int64)), tf.int32)
        kind = tf.strings.substr(bytestring.cut(encoded, position, 8), 4, 4)

        def content() -> tf.Tensor:
            return bytestring.cut(encoded, position + 8, length)

        block = tf.cond(kind == b"eXIf", content, lambda: block)
        is_text = (kind == b"zTXt") | (kind == b"iTXt") | (kind == b"tEXt")
        raw, xmp = tf.cond(is_text, lambda: _read_text(kind, content(), raw, xmp), lambda: (raw, xmp))
        return tf.minimum(position, size - length - 12) + length + 12, block, raw, xmp

    start = (tf.constant(8), tf.constant(b""), tf.constant(b""), tf.constant(b""))
    _, block, raw, xmp = tf.while_loop(
        lambda position, *_: position < size, step, start, maximum_iterations=bytestring.STEPS
    )
    return tf.cond(tf.strings.length(block) > 0, lambda: block, lambda: raw), xmp


def _read_text(kind: tf.Tensor, text: tf.Tensor, raw: tf.Tensor, xmp: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The EXIF block and the XMP packet that are known after a text chunk."""
    head = bytestring.cut(text, 0, _PREFIX)
    is_raw = (kind != b"iTXt") & (tf.strings.substr(head, 0, len(_RAW_PROFILE)) == _RAW_PROFILE)
    is_xmp = (kind == b"iTXt") & (tf.strings.substr(head, 0, len(_XMP)) == _XMP)

    def profile() -> tf.Tensor:
        packed = bytestring.cut(text, len(_RAW_PROFILE) + tf.where(kind == b"zTXt", 1, 0), exif.MOST)
        return _from_digits(tf.cond(kind == b"zTXt", lambda: _unpacked(packed), lambda: packed))

    def packet() -> tf.Tensor:
        flags = bytestring.read(text, len(_XMP), 2)  # compressed or not, and how
        rest = bytestring.cut(text, len(_XMP) + 2, exif.MOST)
        rest = tf.strings.regex_replace(rest, r"(?s)^[^\x00]*\x00[^\x00]*\x00", "")  # its language and title
        return tf.cond(flags[0] == 1, lambda: _unpacked(rest), lambda: rest)

    return tf.cond(is_raw, profile, lambda: raw), tf.cond(is_xmp, packet, lambda: xmp)


def _unpacked(content: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_compressed(content, compression_type="ZLIB")


def _from_digits(profile: tf.Tensor) -> tf.Tensor:
    """`\\nexif\\n      38\\n45786966...` -> the bytes that the hexadecimal digits stand for."""
    digits = tf.strings.regex_replace(profile, r"(?s)^\n[^\n]*\n[^\n]*\n", "")
    digits = bytestring.numbers(tf.strings.lower(tf.strings.regex_replace(digits, r"\s", "")))
    values = tf.where(digits >= ord("a"), digits - ord("a") + 10, digits - ord("0"))
    pairs = tf.reshape(values[: tf.size(values) // 2 * 2], [-1, 2])
    return bytestring.join(tf.clip_by_value(16 * pairs[:, 0] + pairs[:, 1], 0, 255))
