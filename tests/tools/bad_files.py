"""Files that a folder of pictures may hold and what is to be said of each, for tests and for the command line."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

_RANDOM = np.random.default_rng(7)
_PIXELS = np.repeat(np.repeat(_RANDOM.integers(0, 256, (12, 16, 3), np.uint8), 8, 0), 8, 1)
PHOTO = Image.fromarray(_PIXELS)  # 128 x 96
OTHER = Image.fromarray(255 - _PIXELS)


def encode(image: Image.Image, image_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int) -> bytes:
    """A valid PNG of all zeros of that size: small, whatever it claims."""
    pack = zlib.compressobj(1)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(pack.compress(row) for _ in range(height)) + pack.flush()
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def jpeg_claiming(width: int, height: int) -> bytes:
    """A JPEG whose frame header claims another size than its pixels have."""
    encoded = bytearray(JPEG)
    frame = encoded.index(b"\xff\xc0")
    encoded[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(encoded)


def many_scans(count: int) -> bytes:
    """A progressive JPEG that repeats a scan over all its pixels: little to read, long to decode."""
    encoded = encode(PHOTO, "JPEG", progressive=True)
    first = encoded.index(b"\xff\xda")
    second = encoded.index(b"\xff\xda", first + 2)
    return encoded[:second] + encoded[first:second] * count + encoded[second:]


def gif_frames(count: int, *, side: int) -> bytes:
    frames = [Image.new("P", (side, side), number % 2) for number in range(3)]
    two, three = (encode(frames[0], "GIF", save_all=True, append_images=frames[1:n], optimize=False) for n in (2, 3))
    return two[:-1] + three[len(two) - 1 : -1] * (count - 2) + three[-1:]  # the third frame again and again


def webp_frames(count: int, *, side: int) -> bytes:
    frames = [Image.new("RGB", (side, side), (number, 0, 0)) for number in range(3)]
    two, three = (encode(frames[0], "WEBP", save_all=True, append_images=frames[1:n], lossless=True) for n in (2, 3))
    content = two[8:] + three[len(two) :] * (count - 2)  # the third frame again and again
    return two[:4] + struct.pack("<I", len(content)) + content


def garbled(encoded: bytes, *, count: int = 64) -> bytes:
    """Noise over the middle."""
    middle = len(encoded) // 2
    return encoded[:middle] + np.random.default_rng(1).bytes(count) + encoded[middle + count :]


JPEG, PNG, GIF, WEBP, BMP = (encode(PHOTO, name) for name in ("JPEG", "PNG", "GIF", "WEBP", "BMP"))

# name: (file name, content, reason)
BAD: dict[str, tuple[str, bytes, str]] = {
    "truncated JPEG": ("cut.jpg", JPEG[: len(JPEG) * 2 // 3], "truncated JPEG"),
    "JPEG without its last two bytes": ("end.jpg", JPEG[:-2], "truncated JPEG"),
    "truncated progressive JPEG": (
        "cut.jpg",
        encode(PHOTO, "JPEG", progressive=True)[:-500],
        "truncated progressive JPEG",
    ),
    "truncated PNG": ("cut.png", PNG[: len(PNG) // 2], "truncated PNG"),
    "truncated GIF": ("cut.gif", GIF[: len(GIF) // 2], "truncated GIF"),
    "truncated WebP": ("cut.webp", WEBP[: len(WEBP) // 2], "truncated WebP"),
    "truncated BMP": ("cut.bmp", BMP[: len(BMP) // 2], "truncated BMP"),
    "truncated in the header": ("head.jpg", JPEG[:40], "truncated in the header"),
    "zero bytes": ("empty.jpg", b"", "empty file"),
    "text named .jpg": ("page.jpg", b"<html><body>404 not found</body></html>", "text, not an image"),
    "noise named .jpg": ("noise.jpg", b"\x01\x02\x03" + bytes(200), "no image: not JPEG, PNG, BMP, GIF or WebP"),
    "PDF named .png": ("paper.png", b"%PDF-1.7\n", "a PDF file, not a supported image"),
    "HEIC named .jpg": ("phone.jpg", b"\0\0\0\x18ftypheic" + bytes(64), "a HEIC file, not a supported image"),
    "TIFF named .jpg": ("scan.jpg", encode(PHOTO, "TIFF"), "a TIFF file, not a supported image"),
    "JPEG corrupt in the middle": ("garbled.jpg", garbled(JPEG), "damaged JPEG (premature end of data segment)"),
    "PNG corrupt in the middle": ("garbled.png", garbled(PNG), "damaged PNG"),
    "GIF corrupt in the middle": ("garbled.gif", garbled(GIF), "damaged GIF"),
    # what is damaged in a lossy WebP, a BMP and some progressive JPEGs, which carry no checksums, nobody can tell
    "WebP corrupt in the middle": ("garbled.webp", garbled(encode(PHOTO, "WEBP", lossless=True)), "damaged WebP"),
    "PNG bomb": ("bomb.png", png_claiming(20_000, 20_000), "too large: 20000 x 20000 is 400,000,000 pixels"),
    "JPEG bomb": ("bomb.jpg", jpeg_claiming(60_000, 60_000), "too large: 60000 x 60000 is 3,600,000,000 pixels"),
    "GIF bomb of many frames": (
        "bomb.gif",
        gif_frames(110, side=1000),
        "pixels (all frames), the limit is 100,000,000",
    ),
    "WebP bomb of many frames": ("bomb.webp", webp_frames(101, side=1000), "pixels (all frames), the limit is"),
    "JPEG bomb of many scans": ("scans.jpg", many_scans(200), "damaged JPEG: more than 100 scans"),
    "JPEG of no height": ("flat.jpg", jpeg_claiming(100, 0), "damaged JPEG: claims 100 x 0 pixels"),
}

# Unusual, and to be trained on.
GOOD: dict[str, tuple[str, bytes]] = {
    "PNG named .jpg": ("png.jpg", PNG),
    "JPEG named .png": ("jpeg.png", JPEG),
    "extension in capitals": ("LOUD.JPG", JPEG),
    "1x1": ("dot.png", encode(Image.new("RGB", (1, 1)), "PNG")),
    "20,000x1": ("line.png", encode(Image.new("RGB", (20_000, 1)), "PNG")),
    "1x20,000": ("pole.jpg", encode(Image.new("RGB", (1, 20_000)), "JPEG")),
    "CMYK JPEG": ("cmyk.jpg", encode(PHOTO.convert("CMYK"), "JPEG")),
    "16-bit PNG": ("deep.png", encode(Image.fromarray(_RANDOM.integers(0, 65536, (40, 50), np.uint16)), "PNG")),
    "progressive JPEG": ("progressive.jpg", encode(PHOTO, "JPEG", progressive=True)),
    "animated GIF": ("move.gif", gif_frames(4, side=40)),
    "animated WebP": ("move.webp", webp_frames(4, side=40)),
    "animated PNG": ("move.png", encode(PHOTO, "PNG", save_all=True, append_images=[OTHER])),
    "JPEG with bytes after its end": ("tail.jpg", JPEG + b"camera" * 50),
    "very long name": ("n" * 251 + ".jpg", JPEG),
    "name with a line break": ("two\nlines.jpg", JPEG),
}


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _locked(path: Path) -> None:
    path.write_bytes(JPEG)
    path.chmod(0)


# What is no regular file, or cannot be opened: name: (file name, how it is made, reason)
UNREADABLE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "dangling link": ("gone.jpg", _link("nowhere.jpg"), "a broken link, or gone"),
    "looping link": ("loop.jpg", _link("loop.jpg"), "a link that leads to itself"),
    "pipe": ("pipe.jpg", os.mkfifo, "not a file"),
    "link to a device": ("zero.jpg", _link("/dev/zero"), "not a file"),
    "no permission": ("locked.jpg", _locked, "no permission to read it"),
}


def write_good(root: Path, *, classes=("blue", "red"), count: int = 12) -> Path:
    """A folder of small JPEGs, all different, in a folder for each class."""
    for label, name in enumerate(classes):
        generator = np.random.default_rng(label)
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = generator.integers(0, 120, (40, 40, 3), np.uint8)
            pixels[..., label % 3] += 100
            (root / name / f"{name}-{number:02}.jpg").write_bytes(encode(Image.fromarray(pixels), "JPEG", quality=95))
    return root
