"""The decoder against Pillow, format by format, and its resizing against literal arrays."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from ftdata.decoding import decode

RANDOM = np.random.default_rng(0)
RGB = Image.fromarray(RANDOM.integers(0, 256, (23, 37, 3), np.uint8))
OTHER = ImageOps.invert(RGB)
RGBA = Image.fromarray(RANDOM.integers(0, 256, (23, 37, 4), np.uint8))
GREY, GREY_ALPHA, ONE_BIT = RGB.convert("L"), RGBA.convert("LA"), RGB.convert("1")
PALETTE, OTHER_PALETTE = RGB.quantize(200), OTHER.quantize(200)


def encode(image, image_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def by_pillow(encoded):
    with Image.open(io.BytesIO(encoded)) as image:
        return np.asarray(image.convert("RGB"))


def full(encoded):
    return decode.decode_full(tf.constant(encoded)).numpy()


def resized(pixels, size, *, resize="stretch", interpolation="nearest"):
    encoded = tf.constant(encode(Image.fromarray(np.asarray(pixels, np.uint8)), "PNG"))
    how = decode.Decoding(image_size=size, resize=resize, interpolation=interpolation)
    return how.any_format(encoded).numpy()


FORMATS = {
    "jpeg": encode(RGB, "JPEG"),  # colour at half the resolution: the upscaling must be Pillow's
    "jpeg_full_colour": encode(RGB, "JPEG", quality=95, subsampling=0),
    "jpeg_progressive": encode(RGB, "JPEG", progressive=True),
    "jpeg_grey": encode(GREY, "JPEG"),
    "jpeg_cmyk": encode(RGB.convert("CMYK"), "JPEG"),
    "png": encode(RGB, "PNG"),
    "png_grey": encode(GREY, "PNG"),
    "png_alpha": encode(RGBA, "PNG"),
    "png_grey_alpha": encode(GREY_ALPHA, "PNG"),
    "png_palette": encode(PALETTE, "PNG"),
    "png_palette_transparent": encode(PALETTE, "PNG", transparency=0),
    "png_one_bit": encode(ONE_BIT, "PNG"),
    "bmp_24_bits": encode(RGB, "BMP"),
    "bmp_32_bits": encode(RGBA, "BMP"),
    "bmp_palette": encode(PALETTE, "BMP"),  # TensorFlow alone gives palette positions as grey levels
    "bmp_grey": encode(GREY, "BMP"),
    "gif": encode(PALETTE, "GIF"),
    "gif_animated": encode(PALETTE, "GIF", save_all=True, append_images=[OTHER_PALETTE]),
    "webp": encode(RGB, "WEBP"),
    "webp_lossless": encode(RGB, "WEBP", lossless=True),
    "webp_extended_header": encode(RGB, "WEBP", exif=b"Exif\0\0II*\0"),
    "webp_alpha": encode(RGBA, "WEBP"),
    "webp_lossless_alpha": encode(RGBA, "WEBP", lossless=True, exact=True),
    "webp_animated": encode(RGB, "WEBP", lossless=True, save_all=True, append_images=[OTHER]),
    "webp_animated_alpha": encode(RGBA, "WEBP", lossless=True, save_all=True, append_images=[OTHER.convert("RGBA")]),
}


@pytest.mark.parametrize("name", FORMATS)
def test_pixels_are_those_of_pillow(name):
    np.testing.assert_array_equal(full(FORMATS[name]), by_pillow(FORMATS[name]), strict=True)


def test_sixteen_bit_png_keeps_its_high_byte():
    values = RANDOM.integers(0, 65536, (23, 37), np.uint16)
    got = full(encode(Image.fromarray(values), "PNG"))
    assert (got == got[..., :1]).all()
    np.testing.assert_array_equal(got[..., 0], values // 256)


_EVERYWHERE = ("jpeg", "png", "bmp_palette", "gif_animated", "webp_alpha", "webp_animated")


@pytest.fixture(scope="module")
def elsewhere():
    """{name: (decoded in a graph, decoded in a data set)}; each is traced once for all."""
    graph = tf.function(_padded, input_signature=[tf.TensorSpec((), tf.string)])
    data = tf.data.Dataset.from_tensor_slices([FORMATS[name] for name in _EVERYWHERE]).map(_padded)
    assert data.element_spec == tf.TensorSpec((16, 16, 3), tf.uint8)
    return {name: (graph(FORMATS[name]), image) for name, image in zip(_EVERYWHERE, data, strict=True)}


def _padded(encoded):
    return decode.Decoding(image_size=16, resize="pad").any_format(encoded)


@pytest.mark.parametrize("name", _EVERYWHERE)
def test_decoding_is_the_same_in_a_graph_and_in_a_data_set(name, elsewhere):
    eager = _padded(tf.constant(FORMATS[name]))
    for image in elsewhere[name]:
        np.testing.assert_array_equal(image, eager)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"not a picture",
        b"<html>" * 40,  # a page saved under the name of a picture
        RANDOM.bytes(500),
        b"\xff\xd8\xff",  # nothing after the JPEG's first marker
        FORMATS["jpeg"][: len(FORMATS["jpeg"]) // 2],
        FORMATS["png"][:300],
        FORMATS["gif"][:200],
        FORMATS["bmp_24_bits"][:100],
        FORMATS["bmp_palette"][:56],  # inside the palette
        b"BM" + bytes(26) + b"\x08",  # claims a palette and ends
        FORMATS["webp"][:60],
        FORMATS["webp_alpha"][:60],
        FORMATS["webp_animated"][:60],
        FORMATS["webp_animated"][:21],  # ends at the flags
    ],
)
def test_damaged_files_are_an_invalid_argument(damaged):
    with pytest.raises(tf.errors.InvalidArgumentError):
        full(damaged)


def test_stretch_takes_the_middle_of_each_cell():
    pixels = np.arange(4 * 8 * 3).reshape(4, 8, 3)
    np.testing.assert_array_equal(resized(pixels, 8)[:, :, 0], np.repeat(pixels[:, :, 0], 2, axis=0))
    bigger = np.arange(16 * 16).reshape(16, 16) % 256
    np.testing.assert_array_equal(resized(np.stack([bigger] * 3, -1), 8)[..., 0], bigger[1::2, 1::2])


def test_bilinear_shrinking_averages():
    checks = np.zeros((16, 16, 3))
    checks[::2, ::2] = checks[1::2, 1::2] = 200
    small = resized(checks, 8, interpolation="bilinear")
    np.testing.assert_array_equal(small[1:-1, 1:-1], 100)  # without antialiasing: 0 and 200, or a pattern


def test_crop_keeps_the_central_square():
    wide = np.zeros((8, 14, 3))
    wide[:, 3:11] = 7
    tall = wide.transpose(1, 0, 2)
    for pixels in (wide, tall):
        np.testing.assert_array_equal(resized(pixels, 8, resize="crop"), np.full((8, 8, 3), 7))


def test_pad_adds_black_bars_on_both_sides():
    wide = np.full((4, 8, 3), 7)
    expected = np.zeros((8, 8, 3))
    expected[2:6] = 7
    np.testing.assert_array_equal(resized(wide, 8, resize="pad"), expected)
    np.testing.assert_array_equal(resized(wide.transpose(1, 0, 2), 8, resize="pad"), expected.transpose(1, 0, 2))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(1, 1), (300, 1), (1, 300), (16, 16), (15, 17)])
def test_any_shape_becomes_a_square_of_its_colour(shape, resize, interpolation):
    got = resized(np.full((*shape, 3), 90), 16, resize=resize, interpolation=interpolation)
    assert got.shape == (16, 16, 3)
    lit = got[..., 0] > 0
    np.testing.assert_array_equal(got[lit], 90)
    bars = resize == "pad" and shape[0] != shape[1]
    assert lit.sum() == (16 * max(1, round(16 * min(shape) / max(shape))) if bars else 256)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_image_of_the_right_size_is_left_alone(resize):
    pixels = RANDOM.integers(0, 256, (16, 16, 3), np.uint8)
    np.testing.assert_array_equal(resized(pixels, 16, resize=resize, interpolation="bilinear"), pixels)


def test_nearest_is_pillows_for_any_size():
    for _ in range(50):
        height, width, size = RANDOM.integers([1, 1, 8], 400)
        pixels = RANDOM.integers(0, 256, (height, width, 3), np.uint8)
        expected = Image.fromarray(pixels).resize((size, size), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(resized(pixels, size), np.asarray(expected), err_msg=f"{(height, width, size)}")
