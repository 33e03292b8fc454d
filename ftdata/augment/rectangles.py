"""Rectangles inside an image: drawn by area and aspect, and as masks. Pure functions of tensors."""

import tensorflow as tf

from ftdata.augment.sampled_layer import Side, real

Rectangle = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


def draw(
    u: tf.Tensor, *, height: Side, width: Side, area: tuple[float, float], aspect: tuple[float, float]
) -> Rectangle:
    """Rectangles that lie wholly inside an image.

    The area is uniform. The aspect is uniform in its logarithm, so that lying and standing ones are as frequent,
    among those that let a rectangle of that area fit: nothing is drawn again, which XLA could not unroll. Where none
    fits (images far from square), the rectangle is cut to the image. The place is uniform.

    Args:
      u: uniform numbers in [0, 1), float32 [4, batch].
      height: of the image, pixels.
      width: of the image, pixels.
      area: least and largest share of the image, in (0, 1].
      aspect: least and largest width / height.

    Returns:
      (top, left, height, width) in pixels, not rounded, float32 [batch] each.
    """
    height, width = real(height), real(width)
    share = area[0] + u[0] * (area[1] - area[0])
    low = tf.math.log(tf.clip_by_value(share * (width / height), *aspect))  # so that the height fits
    high = tf.math.log(tf.clip_by_value(width / (share * height), *aspect))  # so that the width fits
    ratio = tf.exp(low + u[1] * (high - low))
    side = tf.sqrt(share) * (height * width) ** 0.5
    tall = tf.minimum(side / tf.sqrt(ratio), height)
    wide = tf.minimum(side * tf.sqrt(ratio), width)
    return u[2] * (height - tall), u[3] * (width - wide), tall, wide


def mask(
    top: tf.Tensor, left: tf.Tensor, bottom: tf.Tensor, right: tf.Tensor, *, height: Side, width: Side
) -> tf.Tensor:
    """Which pixels lie in rows top..bottom-1 and columns left..right-1; bool [batch, height, width, 1]."""
    rows, columns = tf.range(height)[None], tf.range(width)[None]
    in_row = (rows >= top[:, None]) & (rows < bottom[:, None])
    in_column = (columns >= left[:, None]) & (columns < right[:, None])
    return (in_row[:, :, None] & in_column[:, None, :])[..., None]
