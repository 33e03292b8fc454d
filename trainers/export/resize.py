"""Pixels of any size -> the square that training takes, in operations that ONNX and OpenVINO have too.

Neither has TensorFlow's antialiased resize in a form that all its readers run, so it is written as two matrix products:
square = rows @ image @ columns', with matrices made inside the graph from the image's height and width. A row of such a
matrix holds the shares of the input pixels in one output pixel, so cropping, black bars and the nearest pixel are
matrices of this kind too.
"""

import keras
import tensorflow as tf

from ftdata.decoding.decode import Decoding


def squares(images: tf.Tensor, decoding: Decoding, *, may_branch: bool = True) -> tf.Tensor:
    """What `Decoding.to_square` makes of each image, within one of 255 where rounding decides.

    Args:
      images: uint8 [b, height, width, channels].
      decoding: the side of the square, how images are brought to it, and the interpolation.
      may_branch: whether images that have that size already are passed by the products, which would give the same.

    Returns:
      Whole numbers, float32 [b, side, side, channels]; `images` themselves where they have that size.
    """
    if not may_branch:
        return _resized(images, decoding)
    side, shape = decoding.image_size, tf.shape(images)
    is_right_size = tf.equal(shape[1], side) & tf.equal(shape[2], side)
    made = tf.cond(is_right_size, lambda: tf.cast(images, tf.float32), lambda: _resized(images, decoding))
    return tf.reshape(made, [-1, side, side, decoding.channels])  # so that its size is known behind the branches


class Squares(keras.layers.Layer):
    """`squares` as a layer.

    It does not branch: OpenVINO 2026.4 gives wrong answers the first time that a model is called whose graph does.
    """

    def __init__(self, decoding: Decoding):
        super().__init__(dtype="float32", autocast=False, trainable=False)
        self.decoding = decoding

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Uint8 [b, height, width, channels] to float32 [b, side, side, channels]."""
        return squares(images, self.decoding, may_branch=False)

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Of `call`."""
        side = self.decoding.image_size
        return keras.KerasTensor((images.shape[0], side, side, self.decoding.channels), dtype="float32")


def _resized(images: tf.Tensor, decoding: Decoding) -> tf.Tensor:
    side, shape = decoding.image_size, tf.shape(images)
    height, width = shape[1], shape[2]
    rows, columns = shares(height, width, decoding), shares(width, height, decoding)
    channels = decoding.channels
    pixels = tf.reshape(tf.cast(images, tf.float32), [-1, height, width * channels])
    shrunk = tf.reshape(tf.matmul(rows[None], pixels), [-1, side, width, channels])
    across = tf.matmul(tf.transpose(shrunk, [0, 1, 3, 2]), columns[None, None], transpose_b=True)
    return tf.reshape(tf.round(tf.transpose(across, [0, 1, 3, 2])), [-1, side, side, channels])


def shares(length: tf.Tensor, other: tf.Tensor, decoding: Decoding) -> tf.Tensor:
    """How much of each input pixel is in each output pixel along one axis.

    Args:
      length: of the image along the axis, int32 [].
      other: of the image along the other axis, int32 [].
      decoding: as in `squares`.

    Returns:
      float32 [side, length]; each row sums to 1, or to 0 where the output pixel is a black bar.
    """
    start, taken, before, made = _span(length, other, decoding)
    output = tf.range(decoding.image_size)[:, None] - before
    source = tf.range(length)[None] - start
    is_shared = (output >= 0) & (output < made) & (source >= 0) & (source < taken)
    if decoding.interpolation == "nearest":
        # in whole numbers; where the centre falls between two pixels, Pillow's sum of doubles takes either
        nearest = (2 * output + 1) * taken // (2 * made)
        return tf.cast(is_shared & tf.equal(source, nearest), tf.float32)
    step = tf.cast(taken, tf.float32) / tf.cast(made, tf.float32)
    reach = tf.maximum(step, 1.0)  # a triangle as wide as the output pixel is, which is what antialiases
    centre = (tf.cast(output, tf.float32) + 0.5) * step
    distance = tf.abs(tf.cast(source, tf.float32) + 0.5 - centre) / reach
    weights = tf.maximum(1.0 - distance, 0.0) * tf.cast(is_shared, tf.float32)
    return weights / tf.maximum(tf.reduce_sum(weights, axis=1, keepdims=True), 1e-6)


def _span(
    length: tf.Tensor, other: tf.Tensor, decoding: Decoding
) -> tuple[tf.Tensor | int, tf.Tensor, tf.Tensor | int, tf.Tensor]:
    """The first input pixel, how many are taken, the first output pixel, and how many they become."""
    side = decoding.image_size
    if decoding.resize == "crop":
        short = tf.minimum(length, other)
        return (length - short) // 2, short, 0, tf.constant(side)
    if decoding.resize == "stretch":
        return 0, length, 0, tf.constant(side)
    longer = tf.maximum(length, other)
    whole, rest = length * side // longer, length * side % longer
    rounds_up = (2 * rest > longer) | (tf.equal(2 * rest, longer) & tf.equal(whole % 2, 1))  # ties to even
    made = tf.maximum(whole + tf.cast(rounds_up, tf.int32), 1)
    return 0, length, (side - made) // 2, made
