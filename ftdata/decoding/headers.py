"""What the first bytes of an image file claim: its format, and how much a decoder will have to hold.

Read before anything is decoded, so that a small file that claims a huge image is refused unopened. Counts
what TensorFlow's decoders allocate: all frames of an animated GIF or WebP, not only the first. Formats: JPEG
(ITU T.81 annex B), PNG (ISO/IEC 15948), GIF89a, WebP (RFC 9649), BMP. Standard library only.

Stays own, because a library tells the size of one frame, and what counts here is what TensorFlow will allocate.
"""

import dataclasses
import re
import struct
from collections.abc import Iterator

from ftdata.decoding import foreign
from ftdata.errors import UserError

MAX_PIXELS = 100_000_000  # such as 10,000 x 10,000; about 0.6 GB while decoded
MAX_FILE_BYTES = 2**29  # a BMP of that many pixels at 32 bits each, and room for what else a file carries
_MAX_SCANS = 100  # of a progressive JPEG, each of which passes over all pixels; encoders write ten or so

# (bits a pixel, compression) of the kinds of BMP that are read; 3 and 6 are none, with masks
BMP_KINDS = ((1, 0), (4, 0), (8, 0), (16, 0), (16, 3), (16, 6), (24, 0), (24, 3), (32, 0), (32, 3), (32, 6))
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes: OS/2, Windows, versions 2 and 3 of it, OS/2 2, versions 4 and 5
_BMP_COMPRESSIONS = {1: "run-length encoded", 2: "run-length encoded", 4: "holding a JPEG", 5: "holding a PNG"}
_WHOLE_BYTES = {0xFF << shift for shift in (0, 8, 16, 24)}
# how a JPEG is coded, by the last four bits of the marker of its frame header
_JPEG_CODINGS = {
    **dict.fromkeys((3, 7, 11, 15), "lossless"),
    **dict.fromkeys((5, 6, 13, 14), "hierarchical"),
}
# in the pixels of a JPEG: what is neither a stuffed 0xFF, a restart nor filling
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
# before them: what has a segment, or ends them
_JPEG_SEGMENT = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")


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
      UserError: the bytes are no image of a supported format, end inside the header, or claim no pixels or more
        than `MAX_PIXELS`; the message is a reason of a few words.
    """
    reader = next((reader for magic, reader in _READERS if magic.match(encoded)), None)
    if reader is None:
        raise UserError(foreign.name(encoded))
    try:
        header = reader(encoded)
    except (struct.error, IndexError):
        raise UserError("truncated in the header") from None
    if header.width < 1 or header.height < 1:
        raise UserError(f"damaged {header.format}: claims {header.width} x {header.height} pixels")
    if header.pixels > MAX_PIXELS:
        frames = "" if header.pixels == header.width * header.height else " (all frames)"
        raise UserError(
            f"too large: {header.width} x {header.height} is {header.pixels:,} pixels{frames}, "
            f"the limit is {MAX_PIXELS:,}"
        )
    return header


def is_supported(head: bytes) -> bool:
    """Whether a file of unknown name that begins with `head`, 10 bytes or more, is of a supported format.

    Of a BMP, whose two letters may begin a text as well, the reserved bytes have to be zeros.
    """
    reader = next((reader for magic, reader in _READERS if magic.match(head)), None)
    return reader is not None and (reader is not _bmp or _BMP_START.match(head) is not None)


def is_whole(encoded: bytes, header: Header) -> bool:
    """Whether the file reaches the end that its format marks or its header announces."""
    if header.format.endswith("JPEG"):
        # what damage made of the middle may hide the end, but not from the end
        return encoded.rstrip(b"\0").endswith(b"\xff\xd9") or _jpeg_scans(encoded, header.data)[1]
    if header.format == "PNG":
        return encoded.find(b"IEND", header.data) >= 0
    if header.format == "GIF":
        return _gif_ends(encoded, header.data)
    if header.format == "BMP":
        return len(encoded) >= header.data
    return len(encoded) >= struct.unpack_from("<I", encoded, 4)[0]


def jpeg_segments(encoded: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of the content of each segment before the pixels.

    Goes from marker to marker as libjpeg does, which passes over what stands between.
    """
    position = 2
    while found := _JPEG_SEGMENT.search(encoded, position):
        marker, start = found[1][0], found.end()
        if marker in (0xD9, 0xDA):
            return
        position = start + max(2, int.from_bytes(encoded[start : start + 2], "big"))
        yield marker, start + 2, position


def is_frame(marker: int) -> bool:
    """Whether the segment of this marker of a JPEG is a frame header, which has the size."""
    return 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)


def _jpeg(encoded: bytes) -> Header:
    for marker, start, end in jpeg_segments(encoded):
        if is_frame(marker):
            precision, height, width, components = struct.unpack_from(">BHHB", encoded, start)
            if marker & 15 in _JPEG_CODINGS:
                raise UserError(f"a JPEG of {_JPEG_CODINGS[marker & 15]} coding, not supported: save it as usual JPEG")
            if precision != 8 or components not in (1, 3, 4):
                raise UserError(f"a JPEG of {components} components of {precision} bits, not supported")
            # counted quickly, which counts what stands behind the image as well, and only in need exactly
            if encoded.count(b"\xff\xda", end) > _MAX_SCANS and _jpeg_scans(encoded, end)[0] > _MAX_SCANS:
                raise UserError(f"damaged JPEG: more than {_MAX_SCANS} scans")
            return Header("progressive JPEG" if marker in (0xC2, 0xCA) else "JPEG", width, height, width * height, end)
    if b"\xff\xd9" in encoded or b"\xff\xda" in encoded:
        raise UserError("damaged JPEG: no frame header")
    raise UserError("truncated in the header")


def _jpeg_scans(encoded: bytes, position: int) -> tuple[int, bool]:
    """The number of scans up to the end of the image, and whether that end is there.

    Behind it may stand a video (a motion photo), further images (MPO) or anything else.
    """
    scans = 0
    while found := _JPEG_MARKER.search(encoded, position):
        marker, position = found[1][0], found.end()
        if marker == 0xD9:
            return scans, True
        scans += marker == 0xDA
        if marker not in (0x01, 0xD8) and position + 2 <= len(encoded):
            position += max(2, int.from_bytes(encoded[position : position + 2], "big"))
    return scans, False


def _png(encoded: bytes) -> Header:
    width, height = struct.unpack_from(">II", encoded, 16)
    return Header("PNG", width, height, width * height, 33)


def _bmp(encoded: bytes) -> Header:
    """`data` is where the pixels end."""
    (size,) = struct.unpack_from("<I", encoded, 14)
    if size not in BMP_HEADERS:
        raise UserError(f"a BMP with a header of {size} bytes, not supported" if size < 256 else foreign.name(encoded))
    compression, colors = 0, 0
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", encoded, 18)
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", encoded, 18)
        (colors,) = struct.unpack_from("<I", encoded, 46)
    if (bits, compression) not in BMP_KINDS:
        kind = _BMP_COMPRESSIONS.get(compression, f"of {bits} bits a pixel in compression {compression}")
        raise UserError(f"a BMP {kind}, not supported: save it uncompressed or as PNG")
    if compression and bits > 16:
        masks = struct.unpack_from("<III", encoded, 54)
        if any(masks) and not (set(masks) <= _WHOLE_BYTES if bits == 32 else masks == (0xFF0000, 0xFF00, 0xFF)):
            shown = " ".join(f"{mask:08x}" for mask in masks)
            raise UserError(f"a BMP of {bits} bits with masks {shown}, not supported: save it as PNG")
    (start,) = struct.unpack_from("<I", encoded, 10)
    if bits <= 8 and start in (0, 14 + size):  # which forgets the palette
        start = 14 + size + (3 if size == 12 else 4) * min(colors or 1 << bits, 65536)
    end = start + (width * bits + 31) // 32 * 4 * abs(height)
    return Header("BMP", width, abs(height), width * abs(height), end)


def _gif(encoded: bytes) -> Header:
    """Adds up the frames, as `gif` in a data set of TFDS or a viewer unpacks them, whatever the screen claims."""
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


def _gif_ends(encoded: bytes, position: int) -> bool:
    """Whether the first image is whole."""
    while encoded[position : position + 1] == b"!":
        position = _after_blocks(encoded, position + 2)
    if len(encoded) < position + 10:
        return False
    return _after_blocks(encoded, position + 11 + _color_table(encoded[position + 9])) <= len(encoded)


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
        frames = max(1, _webp_frames(encoded)) if flags & 2 else 1
        return Header("WebP", width, height, width * height * frames, 30)
    if chunk == b"VP8L":
        bits = int.from_bytes(encoded[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", encoded, 26))
    return Header("WebP", width, height, width * height, 30)


def _webp_frames(encoded: bytes) -> int:
    """Chunk by chunk: the same letters may stand in the pixels, or behind the image."""
    frames, position, end = 0, 12, min(len(encoded), int.from_bytes(encoded[4:8], "little") + 8)
    while position < end:
        frames += encoded.startswith(b"ANMF", position)
        length = int.from_bytes(encoded[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
    return frames


_READERS = (
    (re.compile(rb"\xff\xd8\xff"), _jpeg),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), _png),
    (re.compile(rb"GIF8[79]a"), _gif),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), _webp),
    (re.compile(rb"BM"), _bmp),
)
_BMP_START = re.compile(rb"BM.{4}\0{4}", re.DOTALL)
