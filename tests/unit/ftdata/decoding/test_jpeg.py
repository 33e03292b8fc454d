"""JPEGs by the short way: the same pixels, and what scaled decoding changes."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ftdata.cache.filling import decode_into
from ftdata.config import DataConfig
from ftdata.decoding import jpeg
from ftdata.decoding.decode import Decoding
from ftdata.sources.source import load_folder

RANDOM = np.random.default_rng(0)
ON_ITS_SIDE = Image.Exif()
ON_ITS_SIDE[0x0112] = 6


def smooth(height, width):
    """A picture without detail finer than 16 pixels, where scaled decoding should hardly differ."""
    small = Image.fromarray(RANDOM.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, options.pop("format", "JPEG"), **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (encoded(smooth(40, 30)), True),
        (encoded(smooth(40, 30), exif=ON_ITS_SIDE), False),
        (encoded(smooth(40, 30), comment=b"x" * 60000), True),
        (encoded(smooth(40, 30), format="PNG"), False),
        (b"", False),
        (b"\xff\xd8", False),
    ],
)
def test_plain_is_an_upright_jpeg(file, expected):
    assert jpeg.is_plain_jpeg(file) is expected


@pytest.mark.parametrize("jpeg_decode", ["full", "scaled"])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(101, 64), (64, 101), (33, 34), (16, 16), (9, 200)])
def test_plain_reading_gives_the_same_pixels(shape, resize, jpeg_decode):
    how = Decoding(image_size=16, resize=resize, jpeg_decode=jpeg_decode)
    for image in (smooth(*shape), smooth(*shape).convert("L")):
        file = tf.constant(encoded(image))
        np.testing.assert_array_equal(how.plain_jpeg(file), how.any_format(file))


@pytest.mark.parametrize(
    ("shape", "of", "expected"),
    [
        ((31, 64), "shorter", (31, 64)),  # less than twice 16
        ((32, 64), "shorter", (16, 32)),
        ((65, 130), "shorter", (17, 33)),  # 1/4, rounded up
        ((128, 128), "shorter", (16, 16)),
        ((999, 999), "shorter", (125, 125)),  # 1/8 is the smallest
        ((9, 64), "longer", (3, 16)),
    ],
)
def test_scaled_decoding_leaves_at_least_what_is_needed(shape, of, expected):
    assert jpeg.scaled(tf.constant(encoded(smooth(*shape))), least_side=16, of=of).shape == (*expected, 3)


def test_scaled_decoding_hardly_changes_a_smooth_picture():
    file = tf.constant(encoded(smooth(512, 384), quality=95))
    full, scaled = (Decoding(image_size=96, jpeg_decode=way).any_format(file) for way in ("full", "scaled"))
    difference = np.abs(full.numpy().astype(int) - scaled.numpy())
    assert 0 < difference.max() <= 12
    assert difference.mean() < 1.5


def test_scaled_decoding_honours_the_orientation():
    image = smooth(256, 128)
    upright, turned = (
        Decoding(image_size=32, resize="pad", jpeg_decode="scaled").any_format(tf.constant(file))
        for file in (encoded(image), encoded(image, exif=ON_ITS_SIDE))
    )
    np.testing.assert_array_equal(np.rot90(upright, k=-1), turned)


def test_a_mixed_folder_keeps_its_order(tmp_path):
    for number in range(30):
        options = ({}, {"exif": ON_ITS_SIDE}, {"format": "PNG"})[number % 3]
        path = tmp_path / "ab"[number % 2] / f"{number:02}.{'png' if 'format' in options else 'jpg'}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(smooth(40, 24 + number), **options))
    split = load_folder(str(tmp_path), validation_fraction=0.0).train
    images = np.zeros((30, 16, 16, 3), np.uint8)
    decode_into(images.__setitem__, split, DataConfig(image_size=16))
    how = Decoding(image_size=16)
    expected = [how.any_format(tf.constant((tmp_path / name).read_bytes())) for name in split.names]
    np.testing.assert_array_equal(images, expected)


def test_growing_needs_no_antialiasing():
    pixels = RANDOM.integers(0, 256, (20, 24, 3), np.uint8)
    grown = Decoding(image_size=33).any_format(tf.constant(encoded(Image.fromarray(pixels), format="PNG")))
    expected = np.round(tf.image.resize(pixels, (33, 33), antialias=True))
    assert np.abs(grown.numpy() - expected).max() <= 1  # a tie may be rounded the other way
