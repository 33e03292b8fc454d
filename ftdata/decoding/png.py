"""Pixels of a PNG and what says its orientation; graph operations only.

The orientation stands in an eXIf chunk (PNG, third edition), which may come after the pixels, or in XMP. What stands in
compressed text is not looked at: TensorFlow ends with an error of its own where such text is damaged.
"""

import tensorflow as tf

from ftdata.decoding import bytestring

_XMP = b"XML:com.adobe.xmp\0\0\0"  # and no compression


def decode(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The stored pixels, uint8 [height, width, 3], EXIF block and XMP packet; no alpha, of 16 bits the high byte.

    Raises:
      tf.errors.InvalidArgumentError: damaged, or more pixels than `headers.MAX_PIXELS`.
    """
    sides = bytestring.big(tf.reshape(bytestring.read(encoded, 16, 8), [2, 4]))
    with tf.control_dependencies([bytestring.refuse_size(sides[0], sides[1])]):
        image = tf.io.decode_png(encoded, channels=3)
    return image, *_found(encoded)


def _found(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The EXIF block and the XMP packet, empty where there is none."""
    size = tf.strings.length(encoded)

    def step(position: tf.Tensor, block: tf.Tensor, xmp: tf.Tensor) -> tuple[tf.Tensor, ...]:
        head = bytestring.read(encoded, position, 8 + len(_XMP))
        length = tf.cast(tf.minimum(bytestring.big(head[:4]), tf.cast(size, tf.int64)), tf.int32)

        def content() -> tf.Tensor:
            return bytestring.cut(encoded, position + 8, length)

        block = tf.cond(bytestring.same(head[4:8], b"eXIf"), content, lambda: block)
        xmp = tf.cond(bytestring.same(head[4:], b"iTXt" + _XMP), content, lambda: xmp)
        return tf.minimum(position, size - length - 12) + length + 12, block, xmp

    start = (tf.constant(8), tf.constant(b""), tf.constant(b""))
    _, block, xmp = tf.while_loop(
        lambda position, *_: position < size, step, start, maximum_iterations=bytestring.STEPS
    )
    return block, xmp
