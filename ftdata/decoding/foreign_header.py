"""What a file claims that a library reads (see `transcoding`), and what all of those libraries have in common."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from ftdata import names
from ftdata.decoding import headers
from ftdata.errors import UserError

_SAID = 120  # letters of what a library says


@dataclasses.dataclass(frozen=True)
class ForeignHeader:
    """The format, the sides in pixels before the image is turned upright, and whether there is more than one image.

    `pixel_bytes` is what a pixel takes while it is decoded.
    """

    format: str
    width: int
    height: int
    has_several: bool
    pixel_bytes: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    def check_size(self) -> None:
        """Raises UserError where an image claims no pixels, or more than `headers.MAX_PIXELS`."""
        if self.width < 1 or self.height < 1:
            raise UserError(f"damaged {self.format}: claims {self.width} x {self.height} pixels")
        if self.pixels > headers.MAX_PIXELS:
            raise UserError(
                f"too large: {self.width} x {self.height} is {self.pixels:,} pixels, "
                f"the limit is {headers.MAX_PIXELS:,}"
            )


class Reader(Protocol):
    """Reads one format; both raise UserError with a reason of a few words."""

    def header(self, encoded: bytes) -> ForeignHeader:
        """What the file claims; nothing is decoded."""
        ...

    def pixels(self, encoded: bytes) -> np.ndarray:
        """The upright image, uint8 [height, width, 3]."""
        ...


@contextlib.contextmanager
def refused(kind: str, *, is_cut: bool) -> Iterator[None]:
    """Whatever a library raises inside becomes a UserError that says `truncated` or `damaged`, and what it said.

    Libraries raise errors of any class on damaged files; only want of memory is no fault of the file.

    Args:
      kind: the format.
      is_cut: whether the file ends before its own structure does.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if is_cut:
            raise UserError(f"truncated {kind}") from error
        said = names.shown(str(error).strip().partition("\n")[0])[:_SAID]
        raise UserError(f"damaged {kind} ({said})" if said else f"damaged {kind}") from error


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turns and mirrors `image` [height, width, ...] as an orientation of EXIF, 1 to 8, asks; others are 1."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image[::-1] if orientation in (3, 4, 7, 8) else image


def high_bytes(samples: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned samples of 1 to 16 bits -> uint8 at full range.

    The highest eight bits of those that have more, level * 255 // highest of those that have fewer.
    """
    if bits > 8:
        return (samples >> (bits - 8)).astype(np.uint8)
    if bits == 8:
        return samples
    levels = np.arange(256) * 255 // (2**bits - 1)
    return np.minimum(levels, 255).astype(np.uint8)[samples.astype(np.uint8)]


def wrong_channels(found: int, channels: int) -> str:
    """Why an image of another number of channels than --channels says is not used."""
    return f"has {found} channel{'' if found == 1 else 's'}, --channels={channels} expected"
