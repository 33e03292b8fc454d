"""Pixels of a TIFF by tifffile and imagecodecs (the extra `tiff`), and what the file claims.

Grey, palette, RGB, CMYK and what JPEG made of YCbCr; unsigned samples of 1 to 16 bits; either byte order, BigTIFF,
strips and tiles, planes apart or together, every compression of imagecodecs. What else there is, floating point first
of all, whose range no file states, is refused by name. Format: TIFF 6.0 and Adobe's supplements to it.
"""

import contextlib
import io
import logging
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from ftdata.decoding import headers
from ftdata.decoding.foreign_header import ForeignHeader, high_bytes, refused, upright, wrong_channels
from ftdata.errors import UserError

_MAX_BYTES = 8 * headers.MAX_PIXELS  # of samples: four of 16 bits a pixel
_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_RAW = (32803, 34892)  # photometric interpretations of camera raws: CFA, linear raw
_JPEG = (6, 7)  # compressions
_ORIENTATION, _SUBFILES, _INK_SET, _DNG_VERSION = 274, 330, 332, 50706
_LEVELS = (_WHITE_IS_0, _BLACK_IS_0, _RGB)  # whose samples are what is shown
_MOST_CHANNELS = 16  # of --channels
_SAMPLES = {_WHITE_IS_0: 1, _BLACK_IS_0: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}  # of colour; others are extra


def header(encoded: bytes, channels: int = 3) -> ForeignHeader:
    """As `foreign_header.Reader.header`; of other `channels` than 3, of a file of so many samples a pixel."""
    with _opened(encoded, channels) as (_, claims):
        return claims


def pixels(encoded: bytes, channels: int = 3) -> np.ndarray:
    """As `foreign_header.Reader.pixels`; of other `channels` than 3 every sample, uint8 [height, width, channels]."""
    with _opened(encoded, channels) as (page, _):
        samples = page.asarray(maxworkers=1).reshape(page.shaped)  # [planes, 1, height, width, samples]
        image = np.moveaxis(samples[:, 0], 0, -2).reshape(*samples.shape[2:4], -1)
        colours = image[..., : _SAMPLES[int(page.photometric)]]
        shown = _colours(colours, page) if channels == 3 else _levels(image, page)
        return upright(shown, page.tags.valueof(_ORIENTATION, 1))


@contextlib.contextmanager
def _opened(encoded: bytes, channels: int) -> Iterator[tuple[Any, ForeignHeader]]:
    """The first page, found to be of a kind that is read, and what it claims."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it says of odd tags goes to nobody's screen
    with refused("TIFF", is_cut=_is_cut(encoded)), tifffile.TiffFile(io.BytesIO(encoded)) as file:
        page = file.pages.first
        several = _has_several(file.pages)
        pixel_bytes = page.samplesperpixel * max(1, (page.dtype or np.dtype("u1")).itemsize) + 3 * channels
        claims = ForeignHeader("TIFF", page.imagewidth, page.imagelength, several, pixel_bytes)
        _check_kind(page, channels)
        claims.check_size()
        _check_room(page)
        _check_whole(page, encoded)
        yield page, claims


def _is_cut(encoded: bytes) -> bool:
    """Whether the first directory reaches beyond the end."""
    order = "<" if encoded[:2] == b"II" else ">"
    is_big = encoded[2:4] in (b"+\0", b"\0+")
    if len(encoded) < (16 if is_big else 8):
        return True
    place, number, count, entry = (8, "Q", "Q", 20) if is_big else (4, "I", "H", 12)
    (start,) = struct.unpack_from(order + number, encoded, place)
    first = start + struct.calcsize(count)
    return bool(
        first > len(encoded) or first + entry * struct.unpack_from(order + count, encoded, start)[0] > len(encoded)
    )


def _has_several(pages: Any) -> bool:
    """Whether there is a page beside the first that is neither a smaller copy nor a mask."""
    return any(not pages[number].aspage().subfiletype & 5 for number in range(1, len(pages)))


def _check_kind(page: Any, channels: int) -> None:
    photometric = int(page.photometric)
    is_preview = bool(page.subfiletype & 1) and _SUBFILES in page.tags
    if photometric in _RAW or _DNG_VERSION in page.tags or is_preview:
        raise UserError("a camera raw file, not a supported image")
    if photometric not in _SAMPLES or (photometric == _YCBCR and int(page.compression) not in _JPEG):
        name = getattr(page.photometric, "name", str(photometric))
        raise UserError(f"a TIFF in the colours {name}, not supported: save it in RGB")
    ink_set = page.tags.get(_INK_SET)
    if photometric == _CMYK and ink_set and ink_set.value != 1:
        raise UserError("a TIFF of inks that are not CMYK, not supported: save it in RGB")
    bits = page.tags.valueof(258, 1)
    if page.dtype is None or page.dtype.kind not in "bu" or page.bitspersample > 16 or np.unique(bits).size > 1:
        kind = "mixed" if np.unique(bits).size > 1 else page.dtype or f"{page.bitspersample}-bit"
        raise UserError(f"a TIFF of {kind} samples, not supported: save it with 8 or 16 bits a sample")
    if channels == 3:
        _check_colours(page)
    else:
        _check_channels(page, channels)
    if page.imagedepth > 1:
        raise UserError("a TIFF of a volume, not supported: save its slices one by one")


def _check_colours(page: Any) -> None:
    photometric, samples = int(page.photometric), page.samplesperpixel
    most = 2 if photometric in (_WHITE_IS_0, _BLACK_IS_0) else 255
    if not _SAMPLES[photometric] <= samples <= most:
        way_out = f", or train on all of them with --channels={samples}" if 3 < samples <= _MOST_CHANNELS else ""
        raise UserError(f"a TIFF of {samples} channels, not supported: save it in grey or RGB{way_out}")


def _check_channels(page: Any, channels: int) -> None:
    """Every sample is a channel, but those of an image whose samples are something else than its colours' levels."""
    if int(page.photometric) not in _LEVELS:
        raise UserError(f"{wrong_channels(3, channels)} (its colours are {page.photometric.name})")
    if page.samplesperpixel != channels:
        raise UserError(wrong_channels(page.samplesperpixel, channels))


def _check_room(page: Any) -> None:
    """Raises UserError where more would be unpacked than an image of `headers.MAX_PIXELS` takes."""
    a_pixel = page.samplesperpixel * page.dtype.itemsize
    tile = page.tilewidth * page.tilelength * page.tiledepth if page.is_tiled else 0
    needed = max(page.imagewidth * page.imagelength, tile) * a_pixel
    if needed > _MAX_BYTES:
        raise UserError(f"too large: {needed:,} bytes of samples, the limit is {_MAX_BYTES:,}")


def _check_whole(page: Any, encoded: bytes) -> None:
    """Raises UserError where a strip or tile ends beyond the end, or is a JPEG that claims a huge image."""
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if start + count > len(encoded):
            raise UserError("truncated TIFF")
        if int(page.compression) in _JPEG:
            _check_jpeg(encoded[start : start + count])


def _check_jpeg(segment: bytes) -> None:
    for marker, start, _ in headers.jpeg_segments(segment):
        if headers.is_frame(marker):
            height, width = struct.unpack_from(">HH", segment, start + 1)
            if height * width > headers.MAX_PIXELS:
                raise UserError(f"too large: a part of {width} x {height} pixels, the limit is {headers.MAX_PIXELS:,}")


def _colours(samples: np.ndarray, page: Any) -> np.ndarray:
    """Samples of colour [height, width, 1, 3 or 4] -> uint8 [height, width, 3]."""
    photometric = int(page.photometric)
    if photometric == _PALETTE:
        palette = np.asarray(page.colormap)  # uint16 [3, 2 ** bits]
        # some programs write bytes there, as libtiff knows
        palette = (palette if palette.max() < 256 else palette >> 8).astype(np.uint8)
        return palette.T[samples[..., 0].astype(np.intp)]
    levels = _levels(samples, page)
    if photometric == _CMYK:
        from PIL import Image

        return np.asarray(Image.fromarray(np.ascontiguousarray(levels), "CMYK").convert("RGB"))
    return levels.repeat(3, axis=-1) if levels.shape[-1] == 1 else levels


def _levels(samples: np.ndarray, page: Any) -> np.ndarray:
    """Samples [height, width, n] -> uint8 at full range, the first of them with white at 255."""
    levels = high_bytes(samples, page.bitspersample)
    if int(page.photometric) == _WHITE_IS_0:
        levels = np.concatenate([255 - levels[..., :1], levels[..., 1:]], axis=-1)
    return levels
