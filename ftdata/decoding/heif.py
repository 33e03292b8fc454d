"""Pixels of HEIC (by pillow-heif, the extra `heic`) and AVIF (by Pillow), and what their files claim.

Both stand in boxes of ISO base media (ISO/IEC 14496-12). The boxes irot and imir say how an image is turned; as
ISO/IEC 23008-12 has it, an orientation in EXIF says nothing beside them.
"""

import io
import struct
from typing import Any

import numpy as np

from ftdata.decoding.foreign_header import ForeignHeader, Reader, high_bytes, refused, upright

__all__ = ["AVIF", "HEIC", "Reader"]


class _Heic:
    def header(self, encoded: bytes) -> ForeignHeader:
        with refused("HEIC", is_cut=_is_cut(encoded)):
            return self._opened(encoded)[1]

    def pixels(self, encoded: bytes) -> np.ndarray:
        with refused("HEIC", is_cut=_is_cut(encoded)):
            image, _ = self._opened(encoded)
            samples = np.asarray(image)  # turned upright by libheif
            samples = samples if samples.ndim == 3 else samples[..., None]
            colours = samples[..., :3] if samples.shape[-1] >= 3 else samples[..., :1].repeat(3, axis=-1)
            return high_bytes(colours, 8 * samples.dtype.itemsize)

    def _opened(self, encoded: bytes) -> tuple[Any, ForeignHeader]:
        import pillow_heif

        found = pillow_heif.open_heif(io.BytesIO(encoded), convert_hdr_to_8bit=False)
        image = found[found.primary_index]
        claims = ForeignHeader(
            "HEIC",
            width=image.size[0],
            height=image.size[1],
            has_several=len(found) > 1,
            pixel_bytes=16 if "16" in image.mode else 10,
        )
        claims.check_size()
        return image, claims


class _Avif:
    def header(self, encoded: bytes) -> ForeignHeader:
        with refused("AVIF", is_cut=_is_cut(encoded)):
            return self._opened(encoded)[1]

    def pixels(self, encoded: bytes) -> np.ndarray:
        with refused("AVIF", is_cut=_is_cut(encoded)):
            image, _ = self._opened(encoded)
            orientation = image.getexif().get(0x0112, 1)  # from irot and imir
            return upright(np.asarray(image.convert("RGB")), orientation)

    def _opened(self, encoded: bytes) -> tuple[Any, ForeignHeader]:
        from PIL import AvifImagePlugin

        # not Image.open, which warns of sizes that are no bombs here
        image = AvifImagePlugin.AvifImageFile(io.BytesIO(encoded))
        claims = ForeignHeader(
            "AVIF", width=image.size[0], height=image.size[1], has_several=image.n_frames > 1, pixel_bytes=16
        )
        claims.check_size()
        return image, claims


HEIC: Reader = _Heic()
AVIF: Reader = _Avif()


def _is_cut(encoded: bytes) -> bool:
    """Whether a box reaches beyond the end of the file."""
    position = 0
    while position + 8 <= len(encoded):
        (length,) = struct.unpack_from(">I", encoded, position)
        if length == 1 and position + 16 <= len(encoded):
            (length,) = struct.unpack_from(">Q", encoded, position + 8)
        if length == 0:  # up to the end, wherever that is
            return False
        if length < 8:
            return False  # no box: damaged in another way
        position += length
    return position != len(encoded)
