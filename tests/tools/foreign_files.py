"""Images in formats that libraries read for us, written by those libraries or by Pillow: for tests."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.tools.bad_files import encode

_RANDOM = np.random.default_rng(3)
_HEIGHT, _WIDTH = 37, 53  # odd, so that strips, tiles and rows of a BMP end in the middle
_SLOPE = np.add.outer(4 * np.arange(_HEIGHT), 2 * np.arange(_WIDTH))[..., None]
RGB = np.clip(_SLOPE % 200 + _RANDOM.integers(0, 55, (_HEIGHT, _WIDTH, 3)), 0, 255).astype(np.uint8)
DEEP = _RANDOM.integers(0, 65536, (_HEIGHT, _WIDTH, 3), np.uint16)
PHOTO = Image.fromarray(RGB)
_COMPRESSIONS = (None, "lzw", "deflate", "zstd", "packbits", "lzma", "jpeg")


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    """Written by tifffile."""
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


def heic(image: Image.Image, **options: Any) -> bytes:
    """Written by pillow-heif."""
    import pillow_heif

    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, **options)
    return stream.getvalue()


def oriented(tag: int) -> bytes:
    """An EXIF block with that orientation."""
    exif = Image.Exif()
    exif[0x0112] = tag
    return exif.tobytes()


def tiffs() -> dict[str, bytes]:
    """Kinds of TIFF that Pillow reads as well."""
    found = {}
    for compression in _COMPRESSIONS:
        for name, layout in {"": {}, " in tiles": {"tile": (16, 32)}, " in strips": {"rowsperstrip": 8}}.items():
            found[f"{compression}{name}"] = tiff(RGB, photometric="rgb", compression=compression, **layout)
    planes = np.ascontiguousarray(np.moveaxis(RGB, -1, 0))
    for compression in ("lzw", "deflate", "zstd"):
        found[f"predictor {compression}"] = tiff(RGB, photometric="rgb", compression=compression, predictor=True)
        found[f"planes {compression}"] = tiff(
            planes, photometric="rgb", planarconfig="separate", compression=compression
        )
    alpha = np.dstack([RGB, RGB[..., 0]])
    palette = PHOTO.convert("P", palette=Image.Palette.ADAPTIVE, colors=200)
    return found | {
        "planes": tiff(planes, photometric="rgb", planarconfig="separate"),
        "big endian": tiff(RGB, photometric="rgb", byteorder=">"),
        "BigTIFF": tiff(RGB, photometric="rgb", bigtiff=True),
        "grey": tiff(RGB[..., 0], photometric="minisblack"),
        "white is zero": tiff(RGB[..., 0], photometric="miniswhite"),
        "alpha": tiff(alpha, photometric="rgb", extrasamples=["unassalpha"]),
        "grey and alpha": tiff(alpha[..., :2], photometric="minisblack", extrasamples=["unassalpha"]),
        "1 bit": encode(PHOTO.convert("1"), "TIFF"),
        "fax 3": encode(PHOTO.convert("1"), "TIFF", compression="group3"),
        "fax 4": encode(PHOTO.convert("1"), "TIFF", compression="group4"),
        "palette": encode(palette, "TIFF"),
        "CMYK": encode(PHOTO.convert("CMYK"), "TIFF"),
        "CMYK lzw": encode(PHOTO.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        "CMYK JPEG": encode(PHOTO.convert("CMYK"), "TIFF", compression="jpeg"),
        "JPEG by Pillow": encode(PHOTO, "TIFF", compression="jpeg", quality=90),
        "pages": encode(PHOTO, "TIFF", save_all=True, append_images=[PHOTO.rotate(180)]),
        **{
            f"orientation {tag}": tiff(RGB, photometric="rgb", extratags=[(0x0112, 3, 1, tag, True)])
            for tag in range(1, 9)
        },
    }


def refused_tiffs() -> dict[str, tuple[bytes, str]]:
    """(content, reason) of TIFFs that are not read."""
    whole = tiff(RGB, photometric="rgb", compression="lzw")
    grey, deep = RGB[..., 0], DEEP[..., 0]
    samples = {
        name: (tiff(grey.astype(name)), f"a TIFF of {name} samples, not supported: save it with 8 or 16 bits")
        for name in ("float16", "float32", "float64", "int8", "int16", "uint32", "complex64")
    }
    five = np.dstack([RGB, RGB[..., :2]])
    return samples | {
        "cut in the mark": (whole[:4], "truncated TIFF"),
        "cut in the directory": (whole[:20], "truncated TIFF"),
        "cut in the pixels": (whole[: len(whole) // 2], "truncated TIFF"),
        "cut at the end": (whole[:-5], "truncated TIFF"),
        **{f"damaged {kind}": (_damaged(kind), "damaged TIFF (") for kind in ("lzw", "deflate", "zstd")},
        "bomb": (claiming(60_000, 60_000), "too large: 60000 x 60000 is 3,600,000,000 pixels, the limit is"),
        "no width": (claiming(0, 37), "damaged TIFF"),
        "a strip of fewer bytes than pixels": (claiming(2_000, 2_000), "damaged TIFF ("),
        "five channels": (
            tiff(five, photometric="minisblack", planarconfig="contig"),
            "a TIFF of 5 channels, not supported",
        ),
        "CIELAB": (tiff(RGB, photometric="cielab"), "a TIFF in the colours CIELAB, not supported"),
        "YCbCr": (tiff(RGB, photometric="ycbcr"), "a TIFF in the colours YCBCR, not supported"),
        "mosaic": (tiff(deep, photometric="cfa"), "a camera raw file"),
        "DNG": (
            tiff(RGB, photometric="rgb", extratags=[(50706, 1, 4, bytes((1, 4, 0, 0)), True)]),
            "a camera raw file",
        ),
        "volume": (tiff(np.stack([grey] * 16), volumetric=True, tile=(16, 16, 16)), "a TIFF of a volume"),
    }


def claiming(width: int, height: int) -> bytes:
    """A TIFF whose directory claims another size than its pixels have."""
    import tifffile

    encoded = bytearray(tiff(RGB, photometric="rgb"))
    with tifffile.TiffFile(io.BytesIO(bytes(encoded))) as file:
        tags = [
            (file.pages.first.tags[number], value) for number, value in ((256, width), (257, height), (278, height))
        ]
    for tag, value in tags:
        struct.pack_into("<I" if tag.dtype == 4 else "<H", encoded, tag.valueoffset, value)
    return bytes(encoded)


def _damaged(compression: str) -> bytes:
    """Zeros over a part of the first strip."""
    import tifffile

    encoded = bytearray(tiff(RGB, photometric="rgb", compression=compression))
    with tifffile.TiffFile(io.BytesIO(bytes(encoded))) as file:
        start, count = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
    begin, end = start + count // 3, start + count // 2
    encoded[begin:end] = bytes(end - begin)
    return bytes(encoded)


def mix(root: Path) -> Path:
    """Turns a quarter each of a folder's JPEGs into TIFFs, HEICs and AVIFs; returns the folder."""
    for number, path in enumerate(sorted(root.rglob("*.jpg"))):
        image = Image.open(path)
        image.load()
        if number % 4 == 1:
            path.with_suffix(".tif").write_bytes(tiff(np.asarray(image), photometric="rgb", compression="lzw"))
        elif number % 4 == 2:
            path.with_suffix(".heic").write_bytes(heic(image.resize((64, 64)), quality=90))
        elif number % 4 == 3:
            path.with_suffix(".avif").write_bytes(encode(image, "AVIF", quality=90))
        if number % 4:
            path.unlink()
    return root
