"""TIFF, HEIC and AVIF: the pixels of an independent reader, or refused with the reason. Without TensorFlow."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from ftdata.decoding import foreign_header, headers, transcoding
from ftdata.errors import UserError
from tests.tools import foreign_files
from tests.tools.bad_files import encode
from tests.tools.foreign_files import DEEP, PHOTO

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no reader of AVIF")
LARGE = PHOTO.resize((160, 120))


@pytest.fixture
def extra():
    """Skips where the extras are not installed."""
    for name in ("tifffile", "imagecodecs", "pillow_heif"):
        pytest.importorskip(name)


def _by_pillow(encoded):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert("RGB"))


def _why_not(encoded):
    with pytest.raises(UserError) as caught:
        transcoding.rgb(encoded)
    return str(caught.value)


@pytest.mark.extra_formats
@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd files
def test_tiff_has_the_pixels_of_pillow_in_every_kind(extra):
    kinds = foreign_files.tiffs()
    for name, encoded in kinds.items():
        np.testing.assert_array_equal(transcoding.rgb(encoded), _by_pillow(encoded), strict=True, err_msg=name)
        assert transcoding.header(encoded).has_several == (name == "pages"), name
    assert len(kinds) == 51


@pytest.mark.extra_formats
@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"compression": "lzw", "predictor": True}])
def test_of_sixteen_bits_the_high_byte_counts(extra, options):
    grey = foreign_files.tiff(DEEP[..., 0], **options)
    stored = np.asarray(Image.open(io.BytesIO(grey)))  # Pillow reads 16 bits of grey whole
    np.testing.assert_array_equal(stored, DEEP[..., 0])
    np.testing.assert_array_equal(transcoding.rgb(grey), (stored >> 8)[..., None].repeat(3, 2).astype(np.uint8))
    colour = foreign_files.tiff(DEEP, photometric="rgb", **options)
    np.testing.assert_array_equal(transcoding.rgb(colour), (DEEP >> 8).astype(np.uint8), strict=True)


@pytest.mark.parametrize(("bits", "expected"), [(1, 255), (2, 85), (4, 17)])
def test_samples_of_few_bits_are_spread_over_the_full_range(bits, expected):
    levels = np.arange(2**bits, dtype=np.uint8)
    np.testing.assert_array_equal(foreign_header.high_bytes(levels, bits), levels * expected, strict=True)


def test_samples_of_many_bits_keep_the_highest_eight():
    values = np.array([0, 15, 16, 4095], np.uint16)
    assert foreign_header.high_bytes(values, 12).tolist() == [0, 0, 1, 255]


@pytest.mark.extra_formats
def test_tiff_that_is_not_read_is_refused_with_its_reason(extra):
    for name, (encoded, reason) in foreign_files.refused_tiffs().items():
        assert _why_not(encoded).startswith(reason), name


@pytest.mark.extra_formats
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_heic_has_the_pixels_of_pillow_heif(extra, mode):
    import pillow_heif

    encoded = foreign_files.heic(LARGE.convert(mode), quality=90)
    expected = np.asarray(pillow_heif.open_heif(io.BytesIO(encoded)).to_pillow().convert("RGB"))
    np.testing.assert_array_equal(transcoding.rgb(encoded), expected, strict=True)
    assert np.abs(expected.astype(int) - np.asarray(LARGE.convert(mode).convert("RGB"))).mean() < 20


@pytest.mark.extra_formats
@pytest.mark.parametrize("tag", range(1, 9))
def test_heic_is_turned_upright(extra, tag):
    import pillow_heif

    pillow_heif.register_heif_opener()
    encoded = encode(LARGE, "HEIF", exif=foreign_files.oriented(tag), quality=90)
    wanted = ImageOps.exif_transpose(_with_orientation(LARGE, tag))
    found = transcoding.rgb(encoded)
    assert found.shape == np.asarray(wanted).shape
    assert np.abs(found.astype(int) - np.asarray(wanted)).mean() < 8  # lossy; another turn is 40 and more off


def _with_orientation(image, tag):
    copy = image.copy()
    copy.getexif()[0x0112] = tag
    return copy


@pytest.mark.extra_formats
def test_of_ten_bits_in_a_heic_the_highest_eight_count_and_the_primary_image_is_read(extra):
    import pillow_heif

    stream = io.BytesIO()
    height, width, _ = DEEP.shape
    pillow_heif.from_bytes("RGB;16", (width, height), DEEP.tobytes()).save(stream, quality=-1, chroma=444)
    stored = np.asarray(pillow_heif.open_heif(io.BytesIO(stream.getvalue()), convert_hdr_to_8bit=False))
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(transcoding.rgb(stream.getvalue()), (stored >> 8).astype(np.uint8), strict=True)
    two, stream = pillow_heif.from_pillow(LARGE), io.BytesIO()
    two.add_from_pillow(LARGE.rotate(180))
    two.save(stream, primary_index=1, quality=90)
    assert transcoding.header(stream.getvalue()).has_several
    off = np.abs(transcoding.rgb(stream.getvalue()).astype(int) - np.asarray(LARGE.rotate(180)))
    assert off.mean() < 8


@needs_avif
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_avif_has_the_pixels_of_pillow(mode):
    encoded = encode(LARGE.convert(mode), "AVIF")
    np.testing.assert_array_equal(transcoding.rgb(encoded), _by_pillow(encoded), strict=True)


@needs_avif
@pytest.mark.parametrize("tag", range(1, 9))
def test_avif_is_turned_upright(tag):
    encoded = encode(LARGE, "AVIF", exif=foreign_files.oriented(tag), quality=90)
    np.testing.assert_array_equal(transcoding.rgb(encoded), _by_pillow(encoded), strict=True)
    wanted = np.asarray(ImageOps.exif_transpose(_with_orientation(LARGE, tag)))
    assert np.abs(transcoding.rgb(encoded).astype(int) - wanted).mean() < 8


@needs_avif
def test_of_an_animated_avif_the_first_image_is_read():
    encoded = encode(LARGE, "AVIF", save_all=True, append_images=[LARGE.rotate(180)])
    assert transcoding.header(encoded).has_several
    np.testing.assert_array_equal(transcoding.rgb(encoded), _by_pillow(encoded))


@needs_avif
@pytest.mark.parametrize("cut", [20, 60, 400, -3])
def test_truncated_avif_is_refused(cut):
    assert _why_not(encode(LARGE, "AVIF")[:cut]) == "truncated AVIF"


@pytest.mark.extra_formats
@pytest.mark.parametrize("cut", [20, 60, 1000, -3])
def test_truncated_heic_is_refused(extra, cut):
    assert _why_not(foreign_files.heic(LARGE)[:cut]) == "truncated HEIC"


@needs_avif
def test_avif_of_more_than_the_limit_is_refused_before_it_is_decoded(monkeypatch):
    encoded = encode(Image.new("RGB", (2000, 1000)), "AVIF", speed=10)
    monkeypatch.setattr(headers, "MAX_PIXELS", 1_999_999)
    assert _why_not(encoded).startswith("too large: 2000 x 1000 is 2,000,000 pixels, the limit is 1,999,999")


@needs_avif
@pytest.mark.parametrize("width", [1, 2, 3, 4, 53])
def test_the_bmp_is_one_that_pillow_reads(width):
    encoded = encode(PHOTO.crop((0, 0, width, 37)), "AVIF")
    bmp = transcoding.to_bmp(encoded)
    assert headers.read(bmp).format == "BMP"
    np.testing.assert_array_equal(_by_pillow(bmp), transcoding.rgb(encoded), strict=True)


def test_what_is_no_such_image_is_named():
    video = b"\0\0\0\x18ftypmp42" + bytes(64)
    assert not transcoding.is_foreign(video)
    assert _why_not(video) == "a video, not a supported image"
    assert _why_not(b"") == "empty file"


def test_without_its_extra_a_file_is_refused_with_the_command_that_installs_it():
    for kind, encoded in (("TIFF", encode(PHOTO, "TIFF")), ("HEIC", b"\0\0\0\x18ftypheic" + bytes(64))):
        if not transcoding.is_readable(kind):
            reason = _why_not(encoded)
            assert reason.startswith(f"a {kind} file, not a supported image without the extra {kind.lower()}: ")
            assert f"'.[{kind.lower()}]'" in reason


@pytest.mark.extra_formats
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 4, 5, 16])
def test_every_channel_of_a_tiff_has_the_samples_of_tifffile(extra, channels, bits):
    import tifffile

    deep = np.random.default_rng(4).integers(0, 2**bits, (37, 53, channels)).astype(f"uint{bits}")
    together, apart = {"planarconfig": "contig"}, {"planarconfig": "separate"}
    planes = np.ascontiguousarray(np.moveaxis(deep, -1, 0))
    written = {
        "grey": (deep, {**together, "photometric": "minisblack"}),
        "planes": (planes, {**apart, "photometric": "minisblack"}),
        "tiles": (deep, {**together, "photometric": "minisblack", "tile": (16, 32), "compression": "zstd"}),
        "lzw": (planes, {**apart, "photometric": "minisblack", "compression": "lzw", "predictor": True}),
        "big endian": (deep, {**together, "photometric": "minisblack", "byteorder": ">"}),
    }
    if channels > 3:
        written["RGB and more"] = (deep, {**together, "photometric": "rgb"})
        written["RGB and more, planes"] = (planes, {**apart, "photometric": "rgb"})
    for name, (pixels, options) in written.items():
        pixels = deep[..., 0] if channels == 1 else pixels
        options = {key: value for key, value in options.items() if channels > 1 or key != "planarconfig"}
        encoded = foreign_files.tiff(pixels, **options)
        stored = tifffile.imread(io.BytesIO(encoded)).reshape(pixels.shape)
        stored = stored[..., None] if channels == 1 else np.moveaxis(stored, 0, -1) if pixels is planes else stored
        np.testing.assert_array_equal(stored, deep, err_msg=name)
        expected = (stored >> (bits - 8)).astype(np.uint8)
        np.testing.assert_array_equal(transcoding.samples(encoded, channels), expected, strict=True, err_msg=name)
        found = np.load(io.BytesIO(transcoding.to_npy(encoded, channels)), allow_pickle=False)
        np.testing.assert_array_equal(found, expected, strict=True, err_msg=name)
        assert transcoding.header(encoded, channels).width == 53


@pytest.mark.extra_formats
def test_a_tiff_of_other_channels_is_refused_by_their_number(extra):
    five = np.zeros((8, 9, 5), np.uint8)
    encoded = foreign_files.tiff(five, photometric="minisblack", planarconfig="contig")
    refusals = {
        "has 5 channels, --channels=4 expected": (encoded, 4),
        "has 1 channel, --channels=5 expected": (foreign_files.tiff(five[..., 0]), 5),
        "has 3 channels, --channels=4 expected (its colours are": (encode(PHOTO.convert("CMYK"), "TIFF"), 4),
        "has 3 channels, --channels=5 expected": (foreign_files.heic(PHOTO), 5),
        "a TIFF of float32 samples": (
            foreign_files.tiff(five.astype(np.float32), photometric="minisblack", planarconfig="contig"),
            5,
        ),
    }
    for reason, (content, channels) in refusals.items():
        for read in (transcoding.header, transcoding.samples):
            with pytest.raises(UserError) as caught:
                read(content, channels)
            assert str(caught.value).startswith(reason)
    assert _why_not(encoded).endswith("save it in grey or RGB, or train on all of them with --channels=5")


@pytest.mark.extra_formats
@pytest.mark.parametrize("tag", range(1, 9))
def test_a_tiff_of_five_channels_is_turned_upright(extra, tag):
    five = np.random.default_rng(4).integers(0, 256, (8, 9, 5), np.uint8)
    encoded = foreign_files.tiff(
        five, photometric="minisblack", planarconfig="contig", extratags=[(0x0112, 3, 1, tag, True)]
    )
    channels = [Image.fromarray(np.ascontiguousarray(five[..., channel])) for channel in range(5)]
    turned = [np.asarray(ImageOps.exif_transpose(_with_orientation(channel, tag))) for channel in channels]
    np.testing.assert_array_equal(transcoding.samples(encoded, 5), np.stack(turned, axis=-1), strict=True)
