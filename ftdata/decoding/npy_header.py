"""What a .npy file claims, read and checked before anything else of it. Format: numpy.lib.format, versions 1.0 and 2.0.

Only whole numbers of 8 or 16 bits without a sign are pixels; a file of Python objects is refused unopened.
"""

import dataclasses
import io
import re

import numpy as np

from ftdata.decoding import headers
from ftdata.decoding.foreign_header import refused, wrong_channels
from ftdata.errors import UserError

MAGIC = b"\x93NUMPY"
LONGEST = 10_000  # bytes of a header, as numpy itself has it
MAX_BYTES = 8 * headers.MAX_PIXELS  # of samples, as of a TIFF

# The same text, for the graph that reads such files (`npy`) and for the check that it will read what numpy read. RE2.
_NUMBER = r"(\d{1,9})"
SHAPE = rf"(?s).*'shape': *\({_NUMBER}, *{_NUMBER}(?:, *{_NUMBER})?,? *\).*"
DTYPE = r"(?s).*'descr': *'([|<>])u([12])'.*"
ORDER = r"(?s).*'fortran_order': *(True|False).*"

_VERSIONS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclasses.dataclass(frozen=True)
class NpyHeader:
    """The sides in pixels, the channels, and the bytes of a sample."""

    width: int
    height: int
    channels: int
    sample_bytes: int
    format: str = "NPY"

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def is_npy(encoded: bytes) -> bool:
    """Whether bytes begin as a .npy file does."""
    return encoded.startswith(MAGIC)


def read(encoded: bytes, channels: int) -> NpyHeader:
    """The header of a file that holds an image of so many channels; nothing behind it is read.

    Args:
      encoded: the whole file.
      channels: that are expected.

    Raises:
      UserError: it is truncated or damaged, holds something else than pixels, another number of channels or too many
        pixels; the message is a reason of a few words.
    """
    stream = io.BytesIO(encoded)
    with refused("NPY", is_cut=len(encoded) < 12 or len(encoded) < _end(encoded)):
        version = np.lib.format.read_magic(stream)
        if version not in _VERSIONS:
            raise UserError(f"a .npy file of version {version[0]}.{version[1]}, not supported: save it with numpy.save")
        shape, is_fortran, dtype = _VERSIONS[version](stream, max_header_size=LONGEST)
    header = _of_pixels(shape, dtype, channels)
    _check_size(header)
    following = len(encoded) - stream.tell() - header.pixels * header.channels * header.sample_bytes
    if following < 0:
        raise UserError("truncated NPY")
    if following > 0:
        raise UserError(f"damaged NPY ({following:,} bytes follow its pixels)")
    if _plainly(encoded[: stream.tell()]) != (shape, is_fortran, dtype.str):
        raise UserError("damaged NPY (a header in another spelling than that of numpy.save)")
    return header


def _end(encoded: bytes) -> int:
    """Where a header ends, by what it says of its own length."""
    start = 10 if encoded[6] == 1 else 12
    return start + int.from_bytes(encoded[8:start], "little")


def _of_pixels(shape: tuple[int, ...], dtype: np.dtype, channels: int) -> NpyHeader:
    if dtype.hasobject:
        raise UserError("a .npy file of Python objects, which are never read: save uint8 or uint16 numbers")
    if dtype.kind != "u" or dtype.itemsize > 2:
        raise UserError(f"a .npy file of {dtype.name} numbers, not supported: save them as uint8 or uint16")
    shape = (*shape, 1) if len(shape) == 2 and channels == 1 else shape
    if len(shape) != 3:
        raise UserError(f"a .npy file of the shape {list(shape)}, no image [height, width, {channels}]")
    height, width, found = shape
    if found != channels:
        planes = f" (save it as [height, width, {channels}])" if height == channels else ""
        raise UserError(f"{wrong_channels(found, channels)}{planes}")
    return NpyHeader(width, height, found, dtype.itemsize)


def _check_size(header: NpyHeader) -> None:
    sides = f"{header.width} x {header.height}"
    if header.pixels < 1:
        raise UserError(f"damaged NPY: claims {sides} pixels")
    if header.pixels > headers.MAX_PIXELS:
        raise UserError(f"too large: {sides} is {header.pixels:,} pixels, the limit is {headers.MAX_PIXELS:,}")
    needed = header.pixels * header.channels * header.sample_bytes
    if needed > MAX_BYTES:
        raise UserError(f"too large: {needed:,} bytes of samples, the limit is {MAX_BYTES:,}")


def _plainly(head: bytes) -> tuple[tuple[int, ...], bool, str] | None:
    """Shape, order and type as the patterns read them; None where one of them does not."""
    text = head.decode("latin-1")
    shape, dtype, order = (re.fullmatch(pattern, text) for pattern in (SHAPE, DTYPE, ORDER))
    if not (shape and dtype and order):
        return None
    return tuple(int(side) for side in shape.groups() if side), order[1] == "True", f"{dtype[1]}u{dtype[2]}"
