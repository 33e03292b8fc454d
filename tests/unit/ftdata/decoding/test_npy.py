""".npy files of images: numpy's own pixels, or refused with the reason, by the header and by the graph alike."""

import io

import numpy as np
import pytest
import tensorflow as tf

from ftdata.decoding import headers, npy, npy_header
from ftdata.decoding.decode import Decoding
from ftdata.errors import UserError
from tests.tools.channel_files import npy as encoded

_RANDOM = np.random.default_rng(5)
_BYTES = _RANDOM.integers(0, 256, (7, 11, 5), np.uint8)
_DEEP = _RANDOM.integers(0, 65536, (7, 11, 5), np.uint16)


def _version_2(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(2, 0))
    return stream.getvalue()


def _with_header(text, pixels=b""):
    head = text.encode() + b" " * ((-len(text) - 11) % 16) + b"\n"
    return npy_header.MAGIC + b"\1\0" + len(head).to_bytes(2, "little") + head + pixels


_HEADER = "{'descr': '|u1', 'fortran_order': False, 'shape': (7, 11, 5), }"
_GOOD = {
    "uint8": encoded(_BYTES),
    "uint16": encoded(_DEEP),
    "uint16, big endian": encoded(_DEEP.astype(">u2")),
    "columns first": encoded(np.asfortranarray(_BYTES)),
    "columns first, uint16, big endian": encoded(np.asfortranarray(_DEEP.astype(">u2"))),
    "version 2": _version_2(_DEEP),
    "other order of keys": _with_header(
        "{'shape': (7,11,5), 'fortran_order': False, 'descr': '|u1'}", _BYTES.tobytes()
    ),
}


def test_pixels_are_those_of_numpy():
    decode = tf.function(lambda content: npy.decode(content, 5), input_signature=[tf.TensorSpec((), tf.string)])
    for name, content in _GOOD.items():
        stored = np.load(io.BytesIO(content), allow_pickle=False)
        expected = stored if stored.dtype == np.uint8 else (stored >> 8).astype(np.uint8)
        found = npy_header.read(content, 5)
        assert (found.width, found.height, found.channels) == (11, 7, 5), name
        np.testing.assert_array_equal(decode(tf.constant(content)).numpy(), expected, strict=True, err_msg=name)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 1)])
def test_of_one_channel_the_third_side_may_be_missing(shape):
    content = encoded(_BYTES.ravel()[:12].reshape(shape))
    assert npy_header.read(content, 1).channels == 1
    assert npy.decode(tf.constant(content), 1).shape == (4, 3, 1)


_BAD = {
    "four channels": (encoded(_BYTES[..., :4]), "has 4 channels, --channels=5 expected"),
    "one channel": (encoded(_BYTES[..., :1]), "has 1 channel, --channels=5 expected"),
    "channels first": (
        encoded(np.ascontiguousarray(np.moveaxis(_BYTES, -1, 0))),
        "has 11 channels, --channels=5 expected (save it as [height, width, 5])",
    ),
    "two sides": (encoded(_BYTES[..., 0]), "a .npy file of the shape [7, 11], no image [height, width, 5]"),
    "four sides": (encoded(_BYTES[None]), "a .npy file of the shape [1, 7, 11, 5], no image [height, width, 5]"),
    "no pixels": (encoded(_BYTES[:0]), "damaged NPY: claims 11 x 0 pixels"),
    "floating point": (encoded(_BYTES / 255), "a .npy file of float64 numbers, not supported: save them as uint8 or"),
    "signed": (encoded(_BYTES.astype(np.int16)), "a .npy file of int16 numbers, not supported"),
    "wide": (encoded(_BYTES.astype(np.uint32)), "a .npy file of uint32 numbers, not supported"),
    "truth": (encoded(_BYTES > 9), "a .npy file of bool numbers, not supported"),
    "objects": (
        _with_header(_HEADER.replace("|u1", "|O"), b"\x80\x04."),
        "a .npy file of Python objects, which are never read",
    ),
    "cut in the mark": (_GOOD["uint8"][:4], "truncated NPY"),
    "cut in the header": (_GOOD["uint8"][:50], "truncated NPY"),
    "cut in the pixels": (_GOOD["uint8"][:-1], "truncated NPY"),
    "two arrays": (_GOOD["uint8"] + b"\0", "damaged NPY (1 bytes follow its pixels)"),
    "code": (_with_header("__import__('os')"), "damaged NPY ("),
    "spelled otherwise": (
        _with_header(_HEADER.replace("11", "0xb"), _BYTES.tobytes()),
        "damaged NPY (a header in another spelling",
    ),
    "later version": (npy_header.MAGIC + b"\3\0" + _GOOD["version 2"][8:], "a .npy file of version 3.0, not supported"),
    "bomb": (
        _with_header(_HEADER.replace("7, 11", "60000, 60000")),
        "too large: 60000 x 60000 is 3,600,000,000 pixels",
    ),
    "long header": (_with_header(_HEADER + " " * 20_000, _BYTES.tobytes()), "damaged NPY ("),
}


def test_what_is_no_such_image_is_refused_by_the_header_and_by_the_graph():
    decode = tf.function(lambda content: npy.decode(content, 5), input_signature=[tf.TensorSpec((), tf.string)])
    for name, (content, reason) in _BAD.items():
        with pytest.raises(UserError) as caught:
            npy_header.read(content, 5)
        assert str(caught.value).startswith(reason), name
        with pytest.raises(tf.errors.InvalidArgumentError):
            pytest.fail(f"{name}: decoded to {decode(tf.constant(content)).shape}")


def test_a_header_with_further_keys_is_refused_as_numpy_does():
    with pytest.raises(UserError, match=r"damaged NPY \("):
        npy_header.read(_with_header(_HEADER.replace("}", "'more': 1}"), _BYTES.tobytes()), 5)


def test_samples_are_bounded(monkeypatch):
    monkeypatch.setattr(npy_header, "MAX_BYTES", _DEEP.nbytes - 1)
    with pytest.raises(UserError, match="too large: 770 bytes of samples, the limit is 769"):
        npy_header.read(_GOOD["uint16"], 5)
    monkeypatch.setattr(headers, "MAX_PIXELS", 76)
    with pytest.raises(UserError, match="too large: 11 x 7 is 77 pixels, the limit is 76"):
        npy_header.read(_GOOD["uint8"], 5)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_each_channel_is_resized_as_one_of_three(resize, interpolation):
    found = Decoding(6, resize, interpolation, channels=5).any_format(tf.constant(_GOOD["uint8"]))
    assert found.shape == (6, 6, 5)
    by_colours = Decoding(6, resize, interpolation)
    for chosen in ([0, 1, 2], [2, 3, 4]):
        expected = by_colours.to_square(tf.constant(_BYTES[..., chosen]))
        np.testing.assert_array_equal(found.numpy()[..., chosen], expected)
