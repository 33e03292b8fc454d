"""The orientation of a JPEG against Pillow's, and EXIF that no camera should have written."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from ftdata.decoding import decode, exif


def _upright():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (23, 37, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


UPRIGHT = _upright()


def full(encoded):
    return decode.decode_full(tf.constant(encoded)).numpy()


def tiff(*entries, order="<", first=8, count=None):
    """A TIFF header with one directory of (tag, type, count, value) entries."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    packed = b"".join(struct.pack(order + ("HHIHxx" if entry[1] == 3 else "HHII"), *entry) for entry in entries)
    return mark + struct.pack(order + "IH", first, len(entries) if count is None else count) + packed + bytes(4)


def segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def with_segments(*segments):
    return UPRIGHT[:2] + b"".join(segments) + UPRIGHT[2:]


def upright_by_pillow(encoded):
    with Image.open(io.BytesIO(encoded)) as image:
        return np.asarray(ImageOps.exif_transpose(image))


WIDTH_ENTRY = (0x0100, 4, 1, 37)
APP0 = segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_orientation_is_honoured(tag, order):
    content = b"Exif\0\0" + tiff(WIDTH_ENTRY, (0x0112, 3, 1, tag), order=order)
    encoded = with_segments(segment(0xE1, content))
    np.testing.assert_array_equal(full(encoded), upright_by_pillow(encoded), strict=True)
    assert full(encoded).shape == ((23, 37, 3) if tag < 5 else (37, 23, 3))


SIDEWAYS = segment(0xE1, b"Exif\0\0" + tiff((0x0112, 3, 1, 6)))


@pytest.mark.parametrize(
    "before",
    [
        (APP0,),
        (APP0, segment(0xE2, b"ICC_PROFILE\0" + bytes(3000))),
        (segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),),  # XMP shares EXIF's marker
        (segment(0xFE, b"a comment"),),
    ],
)
def test_orientation_is_found_behind_other_segments(before):
    encoded = with_segments(*before, SIDEWAYS)
    np.testing.assert_array_equal(full(encoded), upright_by_pillow(encoded), strict=True)
    assert full(encoded).shape == (37, 23, 3)


def test_orientation_is_found_behind_a_far_directory():
    content = tiff(first=8 + 6 + 500)[:14] + bytes(500) + tiff((0x0112, 3, 1, 6))[8:]
    assert full(with_segments(segment(0xE1, b"Exif\0\0" + content))).shape == (37, 23, 3)


SIX = tiff((0x0112, 3, 1, 6))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        SIX[:3],
        SIX[:9],  # ends before the count
        SIX[:12],  # ends inside the entry
        tiff((0x0112, 3, 1, 6), first=60_000),  # directory behind the segment
        tiff((0x0112, 3, 1, 6), first=2**32 - 1),
        tiff(WIDTH_ENTRY, count=65_535),  # more entries than bytes
        tiff(count=0),
        tiff((0x0112, 3, 1, 0)),  # orientations are 1 to 8
        tiff((0x0112, 3, 1, 9)),
        tiff((0x0112, 3, 1, 65_535)),
        b"XX*\0" + SIX[4:],  # neither byte order
        b"MM\0*" + SIX[4:],  # the wrong one
    ],
)
def test_malformed_exif_means_upright(content):
    np.testing.assert_array_equal(full(with_segments(segment(0xE1, b"Exif\0\0" + content))), full(UPRIGHT))


def test_every_cut_through_the_exif_segment_is_survived():
    read = tf.function(exif.orientation, input_signature=[tf.TensorSpec((), tf.string)])
    block = b"Exif\0\0" + SIX
    tags = [int(read(block[:length])) for length in range(len(block))]
    assert set(tags) <= {1, 6}
    assert tags[0] == 1
    assert int(read(block)) == 6


def test_orientation_is_found_behind_a_hundred_segments():
    assert full(with_segments(*[segment(0xE2, b"")] * 100, SIDEWAYS)).shape == (37, 23, 3)
