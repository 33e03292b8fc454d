"""Rare but whole kinds of image files: the pixels are Pillow's, or the file is refused with the true reason."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ftdata.cache.filling import decode_into
from ftdata.config import DataConfig
from ftdata.decoding import decode, foreign, headers, jpeg
from ftdata.inspection import examine
from ftdata.sources.source import load_folder
from tests import ROOT
from tests.tools import bad_files, odd_files

CASES = ROOT.parent / "shared/cases"


@pytest.fixture(scope="module")
def decoder():
    return tf.function(decode.decode_full, input_signature=[tf.TensorSpec((), tf.string)])


@pytest.fixture(scope="module")
def reasons(tmp_path_factory):
    """{name: reason or None} of every file, all examined together."""
    root = tmp_path_factory.mktemp("odd")
    contents = {**odd_files.RIGHT, **{name: content for name, (content, _) in odd_files.REFUSED.items()}}
    paths = {name: str(root / f"{number}.jpg") for number, name in enumerate(contents)}
    for name, path in paths.items():
        Path(path).write_bytes(contents[name])
    verdicts = examine.inspect_files(list(paths.values()), origin=str(root), keep_in=root / "examined")
    return {name: verdict.reason for name, verdict in zip(paths, verdicts, strict=True)}


@pytest.mark.parametrize("name", odd_files.RIGHT)
@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd files
def test_pixels_are_those_of_pillow(name, decoder, reasons):
    encoded = odd_files.RIGHT[name]
    assert reasons[name] is None
    np.testing.assert_array_equal(decoder(encoded), odd_files.by_pillow(encoded), strict=True)


@pytest.mark.parametrize("name", odd_files.REFUSED)
def test_what_is_not_read_is_refused_with_its_reason_and_by_the_decoder(name, decoder, reasons):
    encoded, reason = odd_files.REFUSED[name]
    assert reason in reasons[name]
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoder(encoded)


def test_alpha_masks_are_masks(decoder):
    assert headers.read(odd_files.ALPHA_MASKS).format == "BMP"
    expected = odd_files.by_pillow(odd_files.BMPS["bits_32_rgba"])
    np.testing.assert_array_equal(decoder(odd_files.ALPHA_MASKS), expected)


def test_sixteen_bits_of_grey_keep_their_high_byte(decoder):
    grey = decoder(odd_files.GREY_16_BITS).numpy()
    assert grey.std() > 50
    assert (grey == grey[..., :1]).all()


def test_training_and_serving_read_the_same_pixels(tmp_path):
    """The cache decodes plain JPEGs by another graph than all else."""
    for number, encoded in enumerate(odd_files.RIGHT.values()):
        path = tmp_path / "ab"[number % 2] / f"{number:03}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded)
    split = load_folder(str(tmp_path), validation_fraction=0.0).train
    images = np.zeros((len(split), 24, 24, 3), np.uint8)
    decode_into(images.__setitem__, split, DataConfig(image_size=24))
    read = tf.function(decode.Decoding(image_size=24).any_format, input_signature=[tf.TensorSpec((), tf.string)])
    for image, name in zip(images, split.names, strict=True):
        np.testing.assert_array_equal(image, read((tmp_path / name).read_bytes()), err_msg=name)
    assert 0 < split.plain.sum() < len(split)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("colours: grey", True),
        ("colours: rgb_components", True),
        ("colours: cmyk", True),
        ("colours: cmyk_without_adobe", False),
        ("oriented: exif_behind_icc_130k", False),
        ("oriented: exif_behind_fill_bytes", False),
        ("oriented: exif_behind_the_frame_header", False),
        ("oriented: xmp_alone", False),
        ("behind: motion_photo", True),
        ("png: rgb", False),
    ],
)
def test_plain_needs_no_look_at_the_segments(name, expected):
    assert jpeg.is_plain_jpeg(odd_files.RIGHT[name]) is expected


def test_scans_are_counted_up_to_the_end_of_the_image():
    assert odd_files.BEHIND["motion_photo"].count(b"\xff\xda") > 300
    assert headers.read(odd_files.BEHIND["motion_photo"]).format == "JPEG"
    behind = odd_files.BEHIND["motion_photo"][len(odd_files.JPEG) :]
    assert headers.read(bad_files.many_scans(80) + behind).format == "progressive JPEG"
    with pytest.raises(ValueError, match="more than 100 scans"):
        headers.read(bad_files.many_scans(120) + behind)


def test_a_truncated_image_before_a_whole_one_is_truncated():
    whole = odd_files.BEHIND["multi_picture"]
    header = headers.read(whole)
    assert headers.is_whole(whole, header)
    assert not headers.is_whole(odd_files.JPEG[:-20], headers.read(odd_files.JPEG))


@pytest.mark.parametrize("content", [odd_files.PNG, odd_files.WEBP, odd_files.GIFS["whole"], odd_files.BMPS["bits_24"]])
def test_claiming_too_much_is_refused_by_the_decoder_itself(content, decoder):
    claiming = bytearray(content)
    at = {b"\x89P": (16, b"\0\0\x4e\x20" * 2), b"RI": (21, b"\xff" * 4), b"GI": (6, b"\x20\x4e" * 2)}
    start, sides = at.get(content[:2], (18, b"\x20\x4e\0\0" * 2))
    claiming[start : start + len(sides)] = sides
    with pytest.raises(ValueError, match="too large"):
        headers.read(bytes(claiming))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the limit is 1 to 100,000,000"):
        decoder(bytes(claiming))


@pytest.mark.parametrize("name", ["1.bmp", "32_bitfields_xbgr.bmp", "os2.bmp"])
def test_shared_bitmaps_have_the_pixels_of_pillow(name, decoder):
    _compare_case(name, decoder)


@pytest.mark.parametrize("name", ["cmyk_noadobe.jpg", "exif6_after_icc130k.jpg", "exif6_long_be.jpg"])
def test_shared_photos_have_the_pixels_of_pillow(name, decoder):
    _compare_case(name, decoder)


def _compare_case(name, decoder):
    if not CASES.is_dir():
        pytest.skip("the odd files are not here")
    encoded = (CASES / name).read_bytes()
    headers.read(encoded)
    np.testing.assert_array_equal(decoder(encoded), odd_files.by_pillow(encoded), strict=True)


def test_what_a_file_is_that_is_no_image_never_fails():
    random = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for length in (0, 1, 3, 4, 8, 9, 12, 15, 16, 40, 132):
            for start in (b"", b"\0\0\0\x20ftyp", b"RIFF", b"P6"):
                assert foreign.name((start + random.bytes(200))[:length])
