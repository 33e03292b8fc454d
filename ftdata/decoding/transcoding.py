"""Formats that no graph operation reads: TIFF, HEIC and AVIF become an uncompressed BMP, which the one decoder reads.

With another --channels than 3 a TIFF becomes a .npy file of all its samples, and the others are refused.

A library reads each, in Python; what is read is upright, in RGB and 8 bits a sample. One rule for all: of samples of
9 to 16 bits the highest eight count, as of a PNG's; those of fewer than 8 are spread, level * 255 // highest; alpha is
dropped; colour profiles are not applied. Of several pages or images the first (of HEIC the primary one) is read. Sizes
are checked before anything is decoded. TensorFlow is not needed here: `reading` is the form for graphs.
"""

import functools
import importlib.util
import io
import struct

import numpy as np

from ftdata import extras
from ftdata.decoding import foreign, heif, tiff
from ftdata.decoding.foreign_header import ForeignHeader, wrong_channels
from ftdata.errors import UserError

EXTRAS = {"TIFF": "tiff", "HEIC": "heic"}  # what installs the reader; that of AVIF comes with Pillow
_PACKAGES = {"TIFF": ("tifffile", "imagecodecs"), "HEIC": ("pillow_heif",)}
_READERS = {"TIFF": tiff, "HEIC": heif.HEIC, "AVIF": heif.AVIF}
_BMP_HEAD = struct.Struct("<2sIIIIiiHHIIIIII")


@functools.cache
def is_readable(kind: str | None) -> bool:
    """Whether files of a format, as `foreign.image_format` names it, can be transcoded here."""
    if kind == "AVIF":
        from PIL import features

        return bool(features.check("avif"))
    return kind in _PACKAGES and all(importlib.util.find_spec(name) is not None for name in _PACKAGES[kind])


def made_with(kind: str) -> str:
    """The versions of what reads a format, which decide the pixels; empty where nothing does."""
    if not is_readable(kind):
        return ""
    if kind == "AVIF":
        from PIL import features

        return f"libavif {features.version('avif')}"
    from importlib import metadata

    return ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES[kind])


def versions() -> tuple[str, ...]:
    """`made_with` of each format, in one order."""
    return tuple(made_with(kind) for kind in _READERS)


def is_foreign(encoded: bytes) -> bool:
    """Whether bytes are of one of these formats, readable here or not."""
    return foreign.image_format(encoded[: foreign.HEAD]) in _READERS


def header(encoded: bytes, channels: int = 3) -> ForeignHeader:
    """What a file claims to be, without decoding it.

    Raises:
      UserError: it cannot be read here, is damaged, of a kind that is not supported, of another number of channels, or
        too large; the message is a reason of a few words.
    """
    reader = _reader(encoded)
    if channels == 3:
        return reader.header(encoded)
    if reader is not tiff:
        reader.header(encoded)
        raise UserError(wrong_channels(3, channels))
    return tiff.header(encoded, channels)


def rgb(encoded: bytes) -> np.ndarray:
    """The upright image at its own size, uint8 [height, width, 3]; raises as `header`."""
    return _reader(encoded).pixels(encoded)


def samples(encoded: bytes, channels: int) -> np.ndarray:
    """Every channel of the upright image at its own size, uint8 [height, width, channels]; raises as `header`."""
    if channels == 3:
        return rgb(encoded)
    if _reader(encoded) is not tiff:
        header(encoded, channels)  # which refuses it
    return tiff.pixels(encoded, channels)


def decodable(encoded: bytes, channels: int = 3) -> bytes:
    """The file that the decoder reads in place of this one; raises as `header`."""
    return to_bmp(encoded) if channels == 3 else to_npy(encoded, channels)


def to_npy(encoded: bytes, channels: int) -> bytes:
    """The image of `samples` as a .npy file."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(samples(encoded, channels)), allow_pickle=False)
    return stream.getvalue()


def to_bmp(encoded: bytes) -> bytes:
    """The image of `rgb` as an uncompressed BMP of 24 bits; raises as `header`."""
    image = rgb(encoded)
    height, width, _ = image.shape
    stride = (3 * width + 3) // 4 * 4
    size = stride * height
    head = _BMP_HEAD.pack(
        b"BM", _BMP_HEAD.size + size, 0, _BMP_HEAD.size, 40, width, -height, 1, 24, 0, size, 2835, 2835, 0, 0
    )
    rows = np.zeros((height, stride), np.uint8)
    for channel in range(3):
        rows[:, 2 - channel : 3 * width : 3] = image[..., channel]
    return head + rows.data


def _reader(encoded: bytes) -> "heif.Reader":
    kind = foreign.image_format(encoded[: foreign.HEAD])
    if kind not in _READERS:
        raise UserError(foreign.name(encoded))
    if not is_readable(kind):
        raise UserError(not_readable(kind))
    return _READERS[kind]


def not_readable(kind: str) -> str:
    """Why a file of one of these formats is not read here, and the way out."""
    article = "an" if kind == "AVIF" else "a"
    if kind in EXTRAS:
        extra = EXTRAS[kind]
        return f"{article} {kind} file, not a supported image without the extra {extra}: {extras.install(extra)}"
    return f"{article} {kind} file, not a supported image: this Pillow was built without a reader of it"
