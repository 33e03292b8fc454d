"""Pixels of a WebP (of an animation the first frame) and what says its orientation; graph operations only: RFC 9649."""

import tensorflow as tf

from ftdata.decoding import bytestring

_ANIMATION, _XMP, _EXIF, _ALPHA = 0x02, 0x04, 0x08, 0x10


def decode(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The stored pixels, uint8 [height, width, 3], with the EXIF block and the XMP packet; alpha is dropped.

    Raises:
      tf.errors.InvalidArgumentError: damaged, or more pixels than `headers.MAX_PIXELS`, all frames counted.
    """
    head = bytestring.read(encoded, 0, 30)
    is_extended = bytestring.same(head[12:16], b"VP8X")
    flags = tf.where(is_extended, head[20], 0)

    def has(flag: int) -> tf.Tensor:
        return tf.bitwise.bitwise_and(flags, flag) > 0

    walks = has(_ANIMATION | _XMP | _EXIF)
    nothing = (tf.constant(b""), tf.constant(b""), tf.constant(0))
    block, xmp, frames = tf.cond(walks, lambda: _found(encoded), lambda: nothing)
    width, height = _sides(head, is_extended)
    frames = tf.where(has(_ANIMATION), tf.maximum(frames, 1), 1)
    with tf.control_dependencies([bytestring.refuse_size(width, height, frames=frames)]):
        image = tf.cond(
            has(_ANIMATION),
            lambda: _first_frame(encoded, flags),
            # an image with alpha is refused when three channels are asked for
            lambda: tf.io.decode_image(encoded, channels=0, expand_animations=False)[..., :3],
        )
    return tf.ensure_shape(image, [None, None, 3]), tf.where(has(_EXIF), block, b""), tf.where(has(_XMP), xmp, b"")


def _sides(head: tf.Tensor, is_extended: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Width and height, int64, as `headers` reads them."""
    extended = bytestring.little(head[24:27]) + 1, bytestring.little(head[27:30]) + 1
    bits = bytestring.little(head[21:25])
    lossless = bits % 2**14 + 1, bits // 2**14 % 2**14 + 1
    lossy = bytestring.little(head[26:28]) % 2**14, bytestring.little(head[28:30]) % 2**14
    is_lossless = bytestring.same(head[12:16], b"VP8L")
    width, height = (
        tf.where(is_extended, large, tf.where(is_lossless, exact, coarse))
        for large, exact, coarse in zip(extended, lossless, lossy, strict=True)
    )
    return width, height


def _found(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The EXIF block, the XMP packet and the number of frames."""
    size = tf.strings.length(encoded)
    announced = bytestring.little(bytestring.read(encoded, 4, 4)) + 8
    size = tf.cast(tf.minimum(announced, tf.cast(size, tf.int64)), tf.int32)

    def step(position: tf.Tensor, block: tf.Tensor, xmp: tf.Tensor, frames: tf.Tensor) -> tuple[tf.Tensor, ...]:
        kind = bytestring.cut(encoded, position, 4)
        length = bytestring.little(bytestring.read(encoded, position + 4, 4))
        length = tf.cast(tf.minimum(length, tf.cast(size, tf.int64)), tf.int32)

        def content() -> tf.Tensor:
            return bytestring.cut(encoded, position + 8, length)

        block = tf.cond((kind == b"EXIF") & (tf.strings.length(block) == 0), content, lambda: block)
        xmp = tf.cond((kind == b"XMP ") & (tf.strings.length(xmp) == 0), content, lambda: xmp)
        frames += tf.cast(kind == b"ANMF", tf.int32)
        return tf.minimum(position, size - length - 8) + 8 + length + length % 2, block, xmp, frames

    start = (tf.constant(12), tf.constant(b""), tf.constant(b""), tf.constant(0))
    _, block, xmp, frames = tf.while_loop(
        lambda position, *_: position < size, step, start, maximum_iterations=bytestring.STEPS
    )
    return block, xmp, frames


def _first_frame(encoded: tf.Tensor, flags: tf.Tensor) -> tf.Tensor:
    """TensorFlow 2.21 wants four channels for every animation but refuses them where the header claims no
    transparency (and corrupts memory when left to choose): so claim transparency, then drop it."""
    claimed = bytestring.join(tf.bitwise.bitwise_or(flags, _ALPHA)[None])
    rest = bytestring.cut(encoded, 21, tf.strings.length(encoded))
    claimed = tf.strings.join([tf.strings.substr(encoded, 0, 20), claimed, rest])
    return tf.io.decode_image(claimed, channels=4, expand_animations=True)[0, ..., :3]
