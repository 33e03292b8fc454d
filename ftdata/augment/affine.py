"""The geometry of augmentation: parameters -> matrix -> one bilinear read of the image.

Pure functions of tensors, written in plain gather arithmetic so that XLA compiles them. The formulas are
those of Keras's legacy `ImageDataGenerator` (keras.src.legacy.preprocessing.image.apply_affine_transform
followed by scipy.ndimage.affine_transform(order=1) and flip_axis), checked against it by the tests.
Coordinates are float32 whatever the dtype policy: float16 cannot hold a pixel coordinate above 2048.
"""

from collections.abc import Mapping

import tensorflow as tf

from ftdata.augment.sampled_layer import Side, real, sides

FILL_MODES = ("nearest", "constant", "reflect", "wrap")

PARAMETERS = ("theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal", "flip_vertical")
CROP = ("crop_top", "crop_left", "crop_height", "crop_width")  # optional; without them the whole image

Parameters = Mapping[str, tf.Tensor]
Coefficients = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


def matrices(parameters: Parameters, *, height: Side, width: Side) -> tuple[Coefficients, Coefficients]:
    """The rows of ImageDataGenerator's map M' that yield input rows and columns.

    Args:
      parameters: `theta` and `shear` in degrees, `tx` and `ty` in pixels, `zx` and `zy`; float32 [batch].
      height: of the image, pixels.
      width: of the image, pixels.

    Returns:
      (row_map, column_map), each three float32 [batch] coefficients: the input row is `row_map . (i, j, 1)` for output
      pixel (i, j), the input column likewise. As in ImageDataGenerator, whose axes are swapped
      (tensorflow#82838), `tx` moves columns and the centre's coordinates trade places.
    """
    theta = parameters["theta"] * (3.141592653589793 / 180)
    shear = parameters["shear"] * (3.141592653589793 / 180)
    tx, ty, zx, zy = (parameters[name] for name in ("tx", "ty", "zx", "zy"))
    cos, sin = tf.cos(theta), tf.sin(theta)
    a0, a1 = zx * cos, -zy * tf.sin(theta + shear)
    b0, b1 = zx * sin, zy * tf.cos(theta + shear)
    center_x, center_y = real(height) / 2 - 0.5, real(width) / 2 - 0.5  # sic: swapped
    a2 = tx * cos - ty * sin + center_x - a0 * center_x - a1 * center_y
    b2 = tx * sin + ty * cos + center_y - b0 * center_x - b1 * center_y
    return (b1, b0, b2), (a1, a0, a2)


def read_coordinates(
    parameters: Parameters, *, height: Side, width: Side, output_height: Side, output_width: Side
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where each output pixel reads the input: (rows, columns), float32 [batch, out_h, out_w].

    Flips come after the map. Where the sizes differ, the output grid is scaled to the input's by the
    half-pixel rule before the map, so that resizing and warping are one interpolation. A crop is taken from the
    warped image (so the map comes after it), and flips mirror the crop.
    """
    row_map, column_map = matrices(parameters, height=height, width=width)
    rows = _grid(output_height, height, flip=parameters["flip_vertical"])
    columns = _grid(output_width, width, flip=parameters["flip_horizontal"])
    if "crop_top" in parameters:
        rows = _crop(rows, parameters["crop_top"], parameters["crop_height"], height)
        columns = _crop(columns, parameters["crop_left"], parameters["crop_width"], width)
    rows, columns = rows[:, :, None], columns[:, None, :]

    def read(coefficients: Coefficients) -> tf.Tensor:
        by_row, by_column, offset = (value[:, None, None] for value in coefficients)
        return by_row * rows + by_column * columns + offset

    return read(row_map), read(column_map)


def _grid(output_side: Side, side: Side, *, flip: tf.Tensor) -> tf.Tensor:
    """Pixel centres of the output in input coordinates, mirrored where `flip`; float32 [batch, side]."""
    centers = tf.range(real(output_side), dtype=tf.float32)
    if output_side is not side and not (isinstance(side, int) and output_side == side):
        centers = (centers + 0.5) * (real(side) / real(output_side)) - 0.5
    return tf.where(flip[:, None], (real(side) - 1) - centers[None], centers[None])


def _crop(centers: tf.Tensor, start: tf.Tensor, length: tf.Tensor, side: Side) -> tf.Tensor:
    """Pixel centres of the whole side moved into `length` pixels from `start` on, not beyond the outermost centres."""
    moved = start[:, None] + (centers + 0.5) * (length[:, None] / real(side)) - 0.5
    return tf.clip_by_value(moved, 0.0, real(side) - 1.0)


def warp(
    images: tf.Tensor,
    parameters: Parameters,
    *,
    output_size: tuple[Side, Side],
    fill_mode: str,
    cval: float,
) -> tf.Tensor:
    """Reads `images` at the mapped coordinates, bilinearly.

    Args:
      images: uint8 or float [batch, height, width, channels].
      parameters: see `matrices`, and `flip_horizontal`, `flip_vertical`, bool [batch]; if wanted those of CROP,
        the part to show in pixels of the warped image, float32 [batch].
      output_size: (height, width) of the result.
      fill_mode: one of FILL_MODES, with scipy's meaning.
      cval: value outside the image in mode `constant`.

    Returns:
      float32 [batch, *output_size, channels].
    """
    height, width = sides(images)
    rows, columns = read_coordinates(
        parameters, height=height, width=width, output_height=output_size[0], output_width=output_size[1]
    )
    inside = (rows >= 0) & (rows <= real(height) - 1) & (columns >= 0) & (columns <= real(width) - 1)
    pixels = _bilinear(images, fill(rows, height, fill_mode), fill(columns, width, fill_mode))
    if fill_mode == "constant":
        pixels = tf.where(inside[..., None], pixels, tf.constant(cval, tf.float32))
    return pixels


def fill(coordinates: tf.Tensor, side: Side, fill_mode: str) -> tf.Tensor:
    """Brings coordinates into [0, side - 1] as scipy.ndimage does for `fill_mode`."""
    last = real(side) - 1.0
    if fill_mode == "reflect":
        mirrored = tf.math.floormod(coordinates + 0.5, 2.0 * real(side))
        coordinates = tf.where(mirrored > real(side), 2.0 * real(side) - mirrored, mirrored) - 0.5
    elif fill_mode == "wrap":
        outside = (coordinates < 0) | (coordinates > last)
        coordinates = tf.where(outside, tf.math.floormod(coordinates, tf.maximum(last, 1.0)), coordinates)
    return tf.clip_by_value(coordinates, 0.0, last)


def _bilinear(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Four gathers from the flattened image. Pixels become floats only after the gather: uint8 reads
    a quarter of the memory (1.4 - 1.9 times faster on a CPU than gathering floats)."""
    height, width = sides(images)
    channels = tf.shape(images)[3] if images.shape[3] is None else images.shape[3]
    flat = tf.reshape(images, [-1, height * width, channels])
    top, left = tf.floor(rows), tf.floor(columns)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    y0, x0 = tf.cast(top, tf.int32), tf.cast(left, tf.int32)
    y1, x1 = tf.minimum(y0 + 1, height - 1), tf.minimum(x0 + 1, width - 1)

    def pixel(y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(flat, y * width + x, batch_dims=1), tf.float32)

    upper = pixel(y0, x0) * (1 - right) + pixel(y0, x1) * right
    lower = pixel(y1, x0) * (1 - right) + pixel(y1, x1) * right
    return upper * (1 - down) + lower * down
