"""Pixels of the first frame of a GIF on its screen, as Pillow shows it; graph operations only. Format: GIF89a.

TensorFlow paints what is transparent, and what a small frame leaves free, black. Pillow gives it the transparent
colour or, where there is none, the first of the palette. So TensorFlow gets a GIF of that frame alone, without
transparency.
"""

import tensorflow as tf

from ftdata.decoding import bytestring

_WINDOW = 16 * 256 + 1  # encoders write blocks of 255 bytes: a window shows the lengths of 16
_INTRODUCER, _SEPARATOR, _CONTROL = 0x21, 0x2C, 0xF9


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """uint8 [height, width, 3].

    Raises:
      tf.errors.InvalidArgumentError: damaged, no frame, or more pixels than `headers.MAX_PIXELS` in the first one.
    """
    head = bytestring.read(encoded, 0, 13)
    first = 13 + _table(head[10])
    control, frame, end = _walk(encoded, first)
    descriptor = bytestring.read(encoded, frame, 10)
    left, top, width, height = (tf.cast(bytestring.little(descriptor[k : k + 2]), tf.int32) for k in (1, 3, 5, 7))
    wide = tf.maximum(tf.cast(bytestring.little(head[6:8]), tf.int32), left + width)  # a screen grows with its frame
    high = tf.maximum(tf.cast(bytestring.little(head[8:10]), tf.int32), top + height)
    checks = [
        bytestring.refuse_unless(frame > 0, "GIF without an image"),
        bytestring.refuse_size(*(tf.cast(side, tf.int64) for side in (wide, high))),
        bytestring.refuse_size(*(tf.cast(side, tf.int64) for side in (width, height))),
    ]
    with tf.control_dependencies(checks):
        alone = tf.strings.join(
            [
                tf.strings.substr(encoded, 0, 6),
                bytestring.join(tf.concat([descriptor[5:9], head[10:13]], 0)),  # a screen as large as the frame
                bytestring.cut(encoded, 13, first - 13),
                bytestring.join(tf.concat([descriptor[:1], [0, 0, 0, 0], descriptor[5:]], 0)),
                bytestring.cut(encoded, frame + 10, end - frame - 10),
                b";",
            ]
        )
        image = tf.ensure_shape(tf.io.decode_image(alone, channels=3, expand_animations=False), [None, None, 3])
    is_whole = (wide == width) & (high == height)
    return tf.cond(is_whole, lambda: image, lambda: _on_screen(encoded, image, control, frame, (left, top, wide, high)))


def _table(flags: tf.Tensor) -> tf.Tensor:
    """Bytes of the colour table that `flags` announces."""
    return tf.where(flags >= 0x80, tf.bitwise.left_shift(6, tf.bitwise.bitwise_and(flags, 7)), 0)


def _on_screen(
    encoded: tf.Tensor, image: tf.Tensor, control: tf.Tensor, frame: tf.Tensor, place: tuple[tf.Tensor, ...]
) -> tf.Tensor:
    left, top, wide, high = place
    flags = bytestring.read(encoded, control, 4)
    is_transparent = (control > 0) & (flags[0] % 2 == 1)
    number = tf.where(is_transparent, flags[3], 0)
    has_own = bytestring.read(encoded, frame + 9, 1)[0] >= 0x80
    colour = bytestring.read(encoded, tf.where(has_own, frame + 10, 13) + 3 * number, 3)
    shape = tf.shape(image)
    below, right = high - top - shape[0], wide - left - shape[1]
    paddings = [[top, below], [left, right]]
    planes = [tf.pad(image[..., k], paddings, constant_values=tf.cast(colour[k], tf.uint8)) for k in range(3)]
    return tf.stack(planes, axis=-1)


def _walk(encoded: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The places of the flags of the first image's control block and of the image (0 where none is), and its end."""
    size = tf.strings.length(encoded)

    def goes_on(position: tf.Tensor, in_blocks: tf.Tensor, is_over: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        return ~is_over & (position < size)

    def step(
        position: tf.Tensor, in_blocks: tf.Tensor, is_over: tf.Tensor, control: tf.Tensor, frame: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        window = bytestring.read(encoded, position, _WINDOW)

        def in_chain() -> tuple[tf.Tensor, ...]:
            full = tf.reduce_sum(tf.math.cumprod(tf.cast(window[: _WINDOW - 1 : 256] == 255, tf.int32)))
            last = window[full * 256]
            return position + full * 256 + 1 + last, last > 0, (last == 0) & (frame > 0), control, frame

        def at_start() -> tuple[tf.Tensor, ...]:
            is_extension, is_image = window[0] == _INTRODUCER, window[0] == _SEPARATOR
            is_control = is_extension & (window[1] == _CONTROL) & (window[2] >= 4)
            after = position + tf.where(is_extension, 2, 11 + _table(window[9]))
            goes_on = is_extension | is_image
            return (
                after,
                goes_on,
                ~goes_on,
                tf.where(is_control, position + 3, control),
                tf.where(is_image, position, 0),
            )

        return tf.cond(in_blocks, in_chain, at_start)

    begin = (start, tf.constant(False), tf.constant(False), tf.constant(0), tf.constant(0))
    position, _, _, control, frame = tf.while_loop(goes_on, step, begin, maximum_iterations=bytestring.STEPS)
    return control, frame, tf.minimum(position, size)
