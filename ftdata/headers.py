"""What the first bytes of an image file claim: its format, and how much a decoder will have to hold.

Read before anything is decoded, so that a small file that claims a huge picture is refused unopened. Counts
what TensorFlow's decoders allocate: all frames of an animated GIF or WebP, not only the first. Formats: JPEG
(ITU T.81 annex B), PNG (ISO/IEC 15948), GIF89a, WebP (RFC 9649), BMP. Standard library only.
"""

import dataclasses
import re
import struct

MAX_PIXELS = 100_000_000  # such as 10,000 x 10,000; about 0.6 GB while decoded
MAX_FILE_BYTES = 2**29  # a BMP of that many pixels at 32 bits each, and room for what else a file carries
_MAX_SCANS = 100  # of a progressive JPEG, each of which passes over all pixels; encoders write ten or so

_OTHER_FORMATS = {
    b"II*\0": "a TIFF file",
    b"MM\0*": "a TIFF file",
    b"%PDF": "a PDF file",
    b"PK\3\4": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"8BPS": "a Photoshop file",
    b"\0\0\1\0": "an icon file",
    b"\xff\x0a": "a JPEG XL file",
}


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file claims to be; `pixels` counts every frame that the decoder unpacks, `data` is where pixels start."""

    format: str
    width: int
    height: int
    pixels: int
    data: int = 0


def read(encoded: bytes) -> Header:
    """Reads the header of an encoded image.

    Raises:
      ValueError: the bytes are no image of a supported format, end inside the header, or claim no pixels or more
        than `MAX_PIXELS`; the message is a reason of a few words.
    """
    reader = next((reader for magic, reader in _READERS if magic.match(encoded)), None)
    if reader is None:
        raise ValueError(_what_else(encoded))
    try:
        header = reader(encoded)
    except (struct.error, IndexError):
        raise ValueError("truncated in the header") from None
    if header.width < 1 or header.height < 1:
        raise ValueError(f"damaged {header.format}: claims {header.width} x {header.height} pixels")
    if header.pixels > MAX_PIXELS:
        frames = "" if header.pixels == header.width * header.height else " (all frames)"
        raise ValueError(
            f"too large: {header.width} x {header.height} is {header.pixels:,} pixels{frames}, "
            f"the limit is {MAX_PIXELS:,}"
        )
    return header


def is_whole(encoded: bytes, header: Header) -> bool:
    """Whether the file reaches the end that its format marks or its header announces."""
    if header.format.endswith("JPEG"):
        return encoded.find(b"\xff\xd9", header.data) >= 0
    if header.format == "PNG":
        return encoded.find(b"IEND", header.data) >= 0
    if header.format == "GIF":
        return encoded.rstrip(b"\0").endswith(b";")
    announced = struct.unpack_from("<I", encoded, 4 if header.format == "WebP" else 2)[0]
    return len(encoded) >= announced


def _what_else(encoded: bytes) -> str:
    if not encoded:
        return "empty file"
    if encoded[4:8] == b"ftyp":  # ISO base media: what phones write
        brand = {b"avif": "an AVIF", b"heic": "a HEIC", b"mif1": "a HEIC"}.get(encoded[8:12], "a video")
        return f"{brand} file, not a supported image"
    known = next((name for magic, name in _OTHER_FORMATS.items() if encoded.startswith(magic)), None)
    if known:
        return f"{known}, not a supported image"
    head = encoded[:512].decode("utf-8", "replace").rstrip("\ufffd")
    is_text = head and all(letter.isprintable() or letter.isspace() for letter in head)
    return "text, not an image" if is_text else "no image: not JPEG, PNG, BMP, GIF or WebP"


def _jpeg(encoded: bytes) -> Header:
    """Goes from marker to marker to the frame header, as libjpeg does, which passes over what stands between."""
    position = 2
    while True:
        position = encoded.find(b"\xff", position)
        if position < 0:
            raise ValueError("truncated in the header")
        marker, position = encoded[position + 1], position + 1
        if marker in (0x00, 0xFF, 0x01) or 0xD0 <= marker <= 0xD8:  # stuffing, filling, markers without a segment
            continue
        if marker in (0xD9, 0xDA):
            raise ValueError("damaged JPEG: no frame header")
        (length,) = struct.unpack_from(">H", encoded, position + 1)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", encoded, position + 4)
            data = position + 1 + length
            if encoded.count(b"\xff\xda", data) > _MAX_SCANS:
                raise ValueError(f"damaged JPEG: more than {_MAX_SCANS} scans")
            kind = "progressive JPEG" if marker in (0xC2, 0xC6, 0xCA) else "JPEG"
            return Header(kind, width, height, width * height, data)
        position += 1 + length


def _png(encoded: bytes) -> Header:
    width, height = struct.unpack_from(">II", encoded, 16)
    return Header("PNG", width, height, width * height, 33)


def _bmp(encoded: bytes) -> Header:
    width, height = struct.unpack_from("<ii", encoded, 18)
    return Header("BMP", width, abs(height), width * abs(height), 54)


def _gif(encoded: bytes) -> Header:
    """Adds up the frames: TensorFlow's reader unpacks all of them, whatever the screen claims."""
    width, height, flags = struct.unpack_from("<HHB", encoded, 6)
    data = position = 13 + _color_table(flags)
    pixels = width * height
    while encoded[position : position + 1] in (b"!", b","):
        if encoded[position] == ord("!"):
            position = _after_blocks(encoded, position + 2)
            continue
        if len(encoded) < position + 10:
            break
        frame_width, frame_height, flags = struct.unpack_from("<HHB", encoded, position + 5)
        pixels += frame_width * frame_height
        position = _after_blocks(encoded, position + 11 + _color_table(flags))
    return Header("GIF", width, height, pixels, data)


def _color_table(flags: int) -> int:
    """Bytes of the colour table that `flags` announces."""
    return 3 * 2 << (flags & 7) if flags & 0x80 else 0


def _after_blocks(encoded: bytes, position: int) -> int:
    """Where the chain of sub-blocks at `position` ends; beyond the end where it is cut off."""
    while position < len(encoded) and encoded[position]:
        position += encoded[position] + 1
    return position + 1


def _webp(encoded: bytes) -> Header:
    chunk = encoded[12:16]
    if chunk == b"VP8X":
        flags = encoded[20]
        width, height = (int.from_bytes(encoded[at : at + 3], "little") + 1 for at in (24, 27))
        frames = max(1, encoded.count(b"ANMF")) if flags & 2 else 1
        return Header("WebP", width, height, width * height * frames, 30)
    if chunk == b"VP8L":
        bits = int.from_bytes(encoded[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", encoded, 26))
    return Header("WebP", width, height, width * height, 30)


_READERS = (
    (re.compile(rb"\xff\xd8\xff"), _jpeg),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), _png),
    (re.compile(rb"GIF8[79]a"), _gif),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), _webp),
    (re.compile(rb"BM"), _bmp),
)
