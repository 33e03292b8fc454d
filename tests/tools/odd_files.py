"""Image files that few programs write but users have: what Pillow shows of them is right.

Made with Pillow, and where Pillow cannot write a kind, with headers put together by hand.
"""

import functools
import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

from tests.tools.bad_files import encode, png_chunk

_RANDOM = np.random.default_rng(11)
HEIGHT, WIDTH = 23, 37  # odd, so that rows are padded and bits are left over
_SMALL = Image.fromarray(_RANDOM.integers(0, 256, (5, 7, 3), np.uint8))
PHOTO = _SMALL.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
NOISE = Image.fromarray(_RANDOM.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
NOISE_ALPHA = Image.fromarray(_RANDOM.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8))
JPEG, PNG, WEBP = encode(PHOTO, "JPEG"), encode(PHOTO, "PNG"), encode(PHOTO, "WEBP", lossless=True)


def by_pillow(encoded: bytes) -> np.ndarray:
    """The upright RGB pixels, uint8 [height, width, 3]."""
    with Image.open(io.BytesIO(encoded)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


# --- EXIF


def tiff(*entries, order: str = "<", first: int = 8, count: int | None = None, mark: bytes | None = None) -> bytes:
    """A TIFF header with one directory of (tag, type, count, value) entries; the value of type 3 is 16 bits."""
    mark = mark or (b"II*\0" if order == "<" else b"MM\0*")
    packed = b"".join(struct.pack(order + ("HHIHxx" if entry[1] in (3, 8) else "HHII"), *entry) for entry in entries)
    return mark + struct.pack(order + "IH", first, len(entries) if count is None else count) + packed + bytes(4)


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def with_segments(*segments: bytes, jpeg: bytes = JPEG) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def exif(*entries, **options) -> bytes:
    return segment(0xE1, b"Exif\0\0" + tiff(*entries, **options))


def icc(size: int) -> bytes:
    """Segments of an ICC profile of `size` bytes."""
    parts = [bytes(min(65000, size - start)) for start in range(0, size, 65000)]
    return b"".join(
        segment(0xE2, b"ICC_PROFILE\0" + bytes([number + 1, len(parts)]) + part) for number, part in enumerate(parts)
    )


def png_with(*chunks: bytes, png: bytes = PNG, at_end: bool = False) -> bytes:
    place = len(png) - 12 if at_end else 33
    return png[:place] + b"".join(chunks) + png[place:]


def webp_with_exif(content: bytes) -> bytes:
    return encode(PHOTO, "WEBP", lossless=True, exif=content)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
SIX = (0x0112, 3, 1, 6)
_MANY = [(0x8000 + number, 3, 1, number) for number in range(300)]


def _mpo() -> bytes:
    return encode(PHOTO, "MPO", save_all=True, append_images=[NOISE])


def _motion_photo() -> bytes:
    video = np.random.default_rng(5).bytes(3000) + b"\xff\xda" * 300 + b"\xff\xd9"
    return JPEG + struct.pack(">I", 24) + b"ftypmp42" + bytes(12) + video


def _thumbnail() -> bytes:
    """A JPEG with a thumbnail, a JPEG itself with many scans, in its EXIF."""
    small = encode(PHOTO.resize((16, 12)), "JPEG") + b"\xff\xda" * 150
    return with_segments(segment(0xE1, b"Exif\0\0" + tiff(SIX) + small))


ORIENTED: dict[str, bytes] = {
    **{
        f"exif_{tag}_{order}": with_segments(exif((0x0112, 3, 1, tag), order=order))
        for tag in range(1, 9)
        for order in "<>"
    },
    **{f"exif_long_{order}": with_segments(exif((0x0112, 4, 1, 6), order=order)) for order in "<>"},
    "exif_slong": with_segments(exif((0x0112, 9, 1, 8), order=">")),
    "exif_sshort": with_segments(exif((0x0112, 8, 1, 8), order=">")),
    "exif_byte": with_segments(exif((0x0112, 1, 1, 6))),
    "exif_two_values": with_segments(exif((0x0112, 3, 2, 6))),
    "exif_three_values_elsewhere": with_segments(
        segment(0xE1, b"Exif\0\0" + tiff((0x0112, 4, 3, 26)) + struct.pack("<III", 6, 1, 1))
    ),
    "exif_twice": with_segments(exif(SIX, (0x0112, 3, 1, 3))),
    "exif_behind_icc_130k": with_segments(icc(130_000), exif(SIX)),
    "exif_behind_30_segments": with_segments(*[segment(0xE5, b"x" * 40)] * 30, exif(SIX)),
    "exif_behind_fill_bytes": with_segments(segment(0xFE, b"a comment"), b"\xff" * 7, exif(SIX)),
    "exif_behind_fill_bytes_and_tables": JPEG[: JPEG.index(b"\xff\xc0")]
    + b"\xff\xff"
    + exif(SIX)
    + JPEG[JPEG.index(b"\xff\xc0") :],
    "exif_behind_the_frame_header": JPEG[: JPEG.index(b"\xff\xda")] + exif(SIX) + JPEG[JPEG.index(b"\xff\xda") :],
    "exif_behind_300_entries": with_segments(exif(*_MANY, SIX)),
    "exif_far_directory": with_segments(
        segment(0xE1, b"Exif\0\0" + tiff(first=40_000)[:8] + bytes(39_992) + tiff(SIX)[8:])
    ),
    "exif_over_two_segments": with_segments(
        segment(0xE1, b"Exif\0\0" + tiff(first=70_000)[:8] + bytes(60_000)),
        segment(0xE1, b"Exif\0\0" + bytes(9_992) + tiff(SIX)[8:]),
    ),
    "exif_two_blocks": with_segments(exif(SIX), exif((0x0112, 3, 1, 3))),
    "exif_odd_mark": with_segments(exif(SIX, mark=b"II\0*")),
    "exif_behind_xmp": with_segments(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP), exif((0x0112, 3, 1, 8))),
    "xmp_alone": with_segments(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)),
    "xmp_and_exif_without_orientation": with_segments(
        exif((0x0100, 4, 1, 37)), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.replace(b'="6"', b">8<"))
    ),
    "thumbnail": _thumbnail(),
    "png_exif": png_with(png_chunk(b"eXIf", tiff(SIX))),
    "png_exif_big_endian": png_with(png_chunk(b"eXIf", tiff((0x0112, 3, 1, 5), order=">"))),
    "png_exif_at_the_end": png_with(png_chunk(b"eXIf", tiff(SIX)), at_end=True),
    "png_exif_behind_many_chunks": png_with(*[png_chunk(b"teXt", b"")] * 300, png_chunk(b"eXIf", tiff(SIX))),
    "png_xmp": png_with(png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)),
    "webp_exif": webp_with_exif(tiff(SIX)),
    "webp_exif_prefixed": webp_with_exif(b"Exif\0\0" + tiff((0x0112, 3, 1, 7), order=">")),
    "webp_lossy_exif_long": encode(PHOTO, "WEBP", exif=tiff((0x0112, 4, 1, 8), order=">")),
    "webp_animated_exif": encode(PHOTO, "WEBP", lossless=True, save_all=True, append_images=[NOISE], exif=tiff(SIX)),
    "webp_xmp": encode(PHOTO, "WEBP", lossless=True, xmp=XMP),
}

# --- colours of JPEG


def _without_adobe(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    return jpeg[:start] + jpeg[start + 2 + struct.unpack_from(">H", jpeg, start + 2)[0] :]


def _adobe(jpeg: bytes, transform: int) -> bytes:
    start = jpeg.index(b"\xff\xee")
    return jpeg[: start + 15] + bytes([transform]) + jpeg[start + 16 :]


_CMYK = encode(PHOTO.convert("CMYK"), "JPEG")
_RGB = encode(PHOTO, "JPEG", keep_rgb=True)
_ADOBE = segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")

COLOURS: dict[str, bytes] = {
    "cmyk": _CMYK,
    "cmyk_without_adobe": _without_adobe(_CMYK),
    "cmyk_noise_without_adobe": _without_adobe(encode(NOISE_ALPHA.convert("RGBA").convert("CMYK"), "JPEG", quality=95)),
    "cmyk_without_adobe_with_exif": with_segments(exif(SIX), jpeg=_without_adobe(_CMYK)),
    "cmyk_progressive_without_adobe": _without_adobe(encode(PHOTO.convert("CMYK"), "JPEG", progressive=True)),
    **{f"cmyk_adobe_{transform}": _adobe(_CMYK, transform) for transform in (0, 1, 2)},
    "cmyk_adobe_behind_fill_bytes": with_segments(
        b"\xff" * 5, _CMYK[_CMYK.index(b"\xff\xee") :][:16], jpeg=_without_adobe(_CMYK)
    ),
    "rgb_components": _RGB,
    "rgb_adobe_0": with_segments(_ADOBE, jpeg=encode(PHOTO, "JPEG", quality=95, subsampling=0)),
    "ycc_adobe_1": with_segments(_ADOBE[:-1] + b"\1", jpeg=JPEG),
    "grey": encode(PHOTO.convert("L"), "JPEG"),
    "grey_adobe": with_segments(_ADOBE, jpeg=encode(PHOTO.convert("L"), "JPEG")),
    "grey_progressive": encode(PHOTO.convert("L"), "JPEG", progressive=True),
    **{f"subsampling_{name}": encode(PHOTO, "JPEG", subsampling=name) for name in ("4:4:4", "4:2:2", "4:2:0")},
    "restart_markers": encode(NOISE, "JPEG", restart_marker_blocks=1),
}

# --- bytes behind the image

_ZIP = b"PK\3\4" + bytes(26) + b"name" + bytes(200)
BEHIND: dict[str, bytes] = {
    "motion_photo": _motion_photo(),
    "motion_photo_progressive": encode(PHOTO, "JPEG", progressive=True) + _motion_photo()[len(JPEG) :],
    "multi_picture": _mpo(),
    "jpeg_and_garbage": JPEG + b"\xff\xda" * 200,
    "png_and_zip": PNG + _ZIP,
    "gif_and_garbage": encode(PHOTO.quantize(60), "GIF") + b"\0garbage",
    "webp_and_garbage": WEBP + b"ANMF" * 4000,
    "bmp_and_garbage": encode(PHOTO, "BMP") + b"garbage",
}

# --- BMP


def bmp(
    rows: list[bytes],
    bits: int,
    *,
    header: int = 40,
    compression: int = 0,
    masks: tuple[int, ...] = (),
    palette: np.ndarray | None = None,
    colors: int = 0,
    top_down: bool = False,
    gap: int = 0,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> bytes:
    """A BMP with rows from top to bottom; `palette` is uint8 [n, 3], RGB; `gap` bytes stand before the pixels."""
    width, height = size
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        tall = -height if top_down else height
        info = struct.pack("<IiiHHIIiiII", header, width, tall, 1, bits, compression, 0, 2835, 2835, colors, 0)
        info += b"".join(struct.pack("<I", mask) for mask in masks)
        info = info.ljust(header, b"\0")
    table = b""
    if palette is not None:
        blue_first = palette[:, ::-1]
        pad = np.zeros((len(palette), 0 if header == 12 else 1), np.uint8)
        table = np.hstack([blue_first, pad]).astype(np.uint8).tobytes()
    padded = [row + bytes(-len(row) % 4) for row in rows]
    data = b"".join(padded if top_down else padded[::-1]) if compression not in (1, 2) else b"".join(rows)
    start = 14 + len(info) + len(table) + gap
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + table + bytes(gap) + data


def _rows(pixels: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in pixels]


def _packed(bits: int, count: int) -> tuple[list[bytes], np.ndarray]:
    """Rows of `bits` a pixel that use `count` colours, and the palette."""
    values = _RANDOM.integers(0, count, (HEIGHT, WIDTH), np.uint8)
    single = np.unpackbits(values[..., None], axis=-1)[..., -bits:].reshape(HEIGHT, -1)
    return _rows(np.packbits(single, axis=1)), _RANDOM.integers(0, 256, (count, 3), np.uint8)


_PIXELS = np.asarray(NOISE)
_BGR = _rows(_PIXELS[..., ::-1])
_DEEP = _RANDOM.integers(0, 65536, (HEIGHT, WIDTH)).astype("<u2")
_FOUR = np.asarray(NOISE_ALPHA)
_BYTE_MASKS = {
    "bgrx": (0xFF0000, 0xFF00, 0xFF, 0),
    "xbgr": (0xFF000000, 0xFF0000, 0xFF00, 0),
    "bgxr": (0xFF000000, 0xFF00, 0xFF, 0),
    "abgr": (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
    "rgba": (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    "bgra": (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    "bgar": (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
    "none": (0, 0, 0, 0),
}


def _palette_bmp(bits: int, count: int, **options) -> bytes:
    rows, palette = _packed(bits, count)
    return bmp(rows, bits, palette=palette, **options)


BMPS: dict[str, bytes] = {
    **{f"bits_{bits}": _palette_bmp(bits, 2**bits) for bits in (1, 4, 8)},
    **{f"bits_{bits}_top_down": _palette_bmp(bits, 2**bits, top_down=True) for bits in (1, 4, 8)},
    **{f"bits_{bits}_os2": _palette_bmp(bits, 2**bits, header=12) for bits in (1, 4, 8)},
    "bits_4_of_9_colours": _palette_bmp(4, 9, colors=9),
    "bits_8_of_100_colours": _palette_bmp(8, 100, colors=100),
    "bits_8_with_gap": _palette_bmp(8, 256, gap=30),
    "bits_8_version_5": _palette_bmp(8, 256, header=124),
    "bits_8_os2_version_2": _palette_bmp(8, 256, header=64),
    "black_and_white": encode(NOISE.convert("1"), "BMP"),
    "grey": encode(NOISE.convert("L"), "BMP"),
    "bits_24": bmp(_BGR, 24),
    "bits_24_top_down": bmp(_BGR, 24, top_down=True),
    "bits_24_os2": bmp(_BGR, 24, header=12),
    "bits_24_os2_version_2": bmp(_BGR, 24, header=64),
    "bits_24_version_4": bmp(_BGR, 24, header=108),
    "bits_24_with_gap": bmp(_BGR, 24, gap=10),
    "bits_24_with_masks": bmp(_BGR, 24, compression=3, header=56, masks=(0xFF0000, 0xFF00, 0xFF)),
    "bits_32": bmp(_rows(_FOUR), 32),
    "bits_32_top_down": bmp(_rows(_FOUR), 32, top_down=True),
    "bits_16": bmp(_rows(_DEEP), 16),
    "bits_16_top_down": bmp(_rows(_DEEP), 16, top_down=True),
    "bits_16_565": bmp(_rows(_DEEP), 16, compression=3, header=56, masks=(0xF800, 0x7E0, 0x1F, 0)),
    "bits_16_555": bmp(_rows(_DEEP), 16, compression=3, header=108, masks=(0x7C00, 0x3E0, 0x1F, 0x8000)),
    **{
        f"bits_32_{name}": bmp(_rows(_FOUR), 32, compression=3, header=56, masks=masks)
        for name, masks in _BYTE_MASKS.items()
    },
    **{
        f"bits_32_{name}_version_5_top_down": bmp(
            _rows(_FOUR), 32, compression=3, header=124, masks=masks, top_down=True
        )
        for name, masks in _BYTE_MASKS.items()
    },
    "pillow_32": encode(NOISE_ALPHA, "BMP"),
    "one_pixel": bmp([b"\1\2\3"], 24, size=(1, 1)),
}


def _masks_behind(bits: int, rows: list[bytes], masks: tuple[int, ...], compression: int = 3) -> bytes:
    plain = bmp(rows, bits, compression=compression)
    extra = b"".join(struct.pack("<I", mask) for mask in masks)
    return plain[:10] + struct.pack("<I", 54 + len(extra)) + plain[14:54] + extra + plain[54:]


BMPS["bits_32_masks_behind"] = _masks_behind(32, _rows(_FOUR), (0xFF000000, 0xFF0000, 0xFF00))
BMPS["bits_16_masks_behind"] = _masks_behind(16, _rows(_DEEP), (0xF800, 0x7E0, 0x1F))

# Pillow does not read these; the pixels are those of the same masks in a header that it reads
ALPHA_MASKS = _masks_behind(32, _rows(_FOUR), (0xFF, 0xFF00, 0xFF0000, 0xFF000000), compression=6)

# --- PNG


def png(pixels: np.ndarray, *, bits: int, colour: int, interlaced: bool = False, chunks: bytes = b"") -> bytes:
    """A PNG of rows of packed samples, uint8 [height, bytes a row]."""
    height, row = pixels.shape
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    width = row * 8 // (bits * channels)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced)))
    if interlaced:  # Adam7, for samples of 8 or 16 bits
        step = bits * channels // 8
        cells = pixels.reshape(height, width, step)
        passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
        parts = [cells[top::down, left::right] for top, left, down, right in passes]
        data = b"".join(b"\0" + line.tobytes() for part in parts if part.size for line in part)
    else:
        data = b"".join(b"\0" + line.tobytes() for line in pixels)
    body = png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + chunks + body


_SIDE = 24


def _samples(channels: int, bits: int = 8) -> np.ndarray:
    return _RANDOM.integers(0, 256, (_SIDE, _SIDE * channels * bits // 8), np.uint8)


_PALETTE = png_chunk(b"PLTE", _RANDOM.bytes(768))
PNGS: dict[str, bytes] = {
    **{
        f"{name}{'_interlaced' if interlaced else ''}": png(
            _samples(channels), bits=8, colour=colour, interlaced=interlaced, chunks=_PALETTE if colour == 3 else b""
        )
        for interlaced in (False, True)
        for name, colour, channels in (
            ("grey", 0, 1),
            ("rgb", 2, 3),
            ("palette", 3, 1),
            ("grey_alpha", 4, 2),
            ("rgba", 6, 4),
        )
    },
    **{f"grey_{bits}_bits": png(_samples(1, bits), bits=bits, colour=0) for bits in (1, 2, 4)},
    **{
        f"palette_{bits}_bits": png(
            _samples(1, bits), bits=bits, colour=3, chunks=png_chunk(b"PLTE", _RANDOM.bytes(3 << bits))
        )
        for bits in (1, 2, 4)
    },
    "rgb_16_bits": png(_samples(3, 16), bits=16, colour=2),
    "rgba_16_bits": png(_samples(4, 16), bits=16, colour=6),
    "rgb_16_bits_interlaced": png(_samples(3, 16), bits=16, colour=2, interlaced=True),
    "grey_alpha_16_bits": png(_samples(2, 16), bits=16, colour=4),
    "grey_transparent": png(_samples(1), bits=8, colour=0, chunks=png_chunk(b"tRNS", b"\0\7")),
    "rgb_transparent": png(_samples(3), bits=8, colour=2, chunks=png_chunk(b"tRNS", b"\0\1\0\2\0\3")),
    "palette_transparent": png(_samples(1), bits=8, colour=3, chunks=_PALETTE + png_chunk(b"tRNS", _RANDOM.bytes(200))),
    "grey_with_gamma": png(_samples(1), bits=8, colour=0, chunks=png_chunk(b"gAMA", struct.pack(">I", 100_000))),
    "rgb_with_gamma": png(_samples(3), bits=8, colour=2, chunks=png_chunk(b"gAMA", struct.pack(">I", 45_455))),
    "rgb_with_significant_bits": png(_samples(3), bits=8, colour=2, chunks=png_chunk(b"sBIT", b"\5\5\5")),
    "rgb_with_background": png(_samples(4), bits=8, colour=6, chunks=png_chunk(b"bKGD", b"\0\1\0\2\0\3")),
    "animated": encode(PHOTO, "PNG", save_all=True, append_images=[NOISE]),
}
# Pillow clips 16 bits of grey to 255; here the high byte counts, as it does for 16 bits of colour
GREY_16_BITS = png(_samples(1, 16), bits=16, colour=0)

# --- GIF


def gif(
    frames: list[tuple[int, int, np.ndarray]],
    *,
    screen: tuple[int, int] = (WIDTH, HEIGHT),
    background: int = 3,
    transparent: int | None = None,
    local: bool = False,
    table: bool = True,
    disposal: int = 0,
    interlaced: bool = False,
) -> bytes:
    """A GIF of (left, top, colour numbers below 64) frames on a screen of (width, height)."""
    colours = np.random.default_rng(3).bytes(192)
    body = b"GIF89a" + struct.pack("<HHBBB", *screen, 0xF5 if table else 0x75, background, 0)
    body += colours if table else b""
    for left, top, numbers in frames:
        height, width = numbers.shape
        if transparent is not None or disposal:
            flags = disposal << 2 | (transparent is not None)
            body += b"!\xf9\4" + struct.pack("<BHB", flags, 5, transparent or 0) + b"\0"
        flags = (0x85 if local else 0) | (0x40 if interlaced else 0)
        body += b"," + struct.pack("<HHHHB", left, top, width, height, flags) + (colours[::-1] if local else b"")
        order = [row for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for row in range(start, height, step)]
        shown = numbers[order] if interlaced else numbers
        body += b"\6" + _lzw_stored(shown.astype(np.uint8).tobytes(), bits=6) + b"\0"
    return body + b";"


def _lzw_stored(data: bytes, *, bits: int) -> bytes:
    """LZW without compression: the table is cleared before codes grow."""
    clear, codes = 1 << bits, []
    for start in range(0, len(data), clear - 2):
        codes += [clear, *data[start : start + clear - 2]]
    codes.append(clear + 1)
    number = functools.reduce(lambda sum_, item: sum_ | item[1] << (item[0] * (bits + 1)), enumerate(codes), 0)
    packed = number.to_bytes((len(codes) * (bits + 1) + 7) // 8, "little")
    return b"".join(bytes([len(packed[k : k + 255])]) + packed[k : k + 255] for k in range(0, len(packed), 255))


def _numbers(width: int, height: int) -> np.ndarray:
    return _RANDOM.integers(0, 64, (height, width), np.uint8)


def _with_comments(encoded: bytes) -> bytes:
    """Comments of many blocks before the first image."""
    return encoded[:205] + (b"!\xfe" + (b"\xff" + bytes(255)) * 40 + b"\5hello\0") * 3 + encoded[205:]


_WHOLE, _PART = _numbers(WIDTH, HEIGHT), _numbers(20, 9)
GIFS: dict[str, bytes] = {
    "whole": gif([(0, 0, _WHOLE)]),
    "interlaced": gif([(0, 0, _WHOLE)], interlaced=True),
    "local_table": gif([(0, 0, _WHOLE)], local=True),
    "local_table_alone": gif([(0, 0, _WHOLE)], local=True, table=False),
    "transparent": gif([(0, 0, _WHOLE)], transparent=5),
    "small_first_frame": gif([(4, 6, _PART)]),
    "small_first_frame_at_zero": gif([(0, 0, _PART)]),
    "small_first_frame_transparent": gif([(4, 6, _PART)], transparent=5),
    "small_first_frame_local_table": gif([(4, 6, _PART)], local=True),
    "small_first_frame_local_table_transparent": gif([(4, 6, _PART)], local=True, transparent=5),
    "small_first_frame_interlaced": gif([(17, 14, _PART)], interlaced=True),
    "animated": gif([(0, 0, _WHOLE), (4, 6, _PART)], disposal=1),
    "animated_small_first": gif([(4, 6, _PART), (0, 0, _WHOLE)], transparent=9, disposal=2),
    "with_comment": _with_comments(gif([(0, 0, _WHOLE)], transparent=5)),
    "pillow_animated": encode(PHOTO.quantize(60), "GIF", save_all=True, append_images=[NOISE.quantize(60)]),
}

# --- WebP

WEBPS: dict[str, bytes] = {
    "lossy": encode(PHOTO, "WEBP"),
    "lossless": WEBP,
    "lossy_alpha": encode(NOISE_ALPHA, "WEBP"),
    "lossless_alpha": encode(NOISE_ALPHA, "WEBP", lossless=True),
    "lossless_alpha_exact": encode(NOISE_ALPHA, "WEBP", lossless=True, exact=True),
    "animated": encode(PHOTO, "WEBP", lossless=True, save_all=True, append_images=[NOISE]),
    "animated_lossy": encode(PHOTO, "WEBP", save_all=True, append_images=[NOISE]),
    "animated_alpha": encode(
        NOISE_ALPHA, "WEBP", lossless=True, save_all=True, append_images=[NOISE_ALPHA.rotate(180)]
    ),
    "grey": encode(PHOTO.convert("L"), "WEBP", lossless=True),
}

_GROUPS = {"oriented": ORIENTED, "colours": COLOURS, "behind": BEHIND, "bmp": BMPS, "png": PNGS, "gif": GIFS}
_GROUPS["webp"] = WEBPS
RIGHT: dict[str, bytes] = {
    f"{group}: {name}": encoded for group, files in _GROUPS.items() for name, encoded in files.items()
}


# --- what is refused: name: (content, reason)


def _frame(marker: int, *, precision: int = 8) -> bytes:
    """A JPEG whose frame header says that it is coded in another way."""
    start = JPEG.index(b"\xff\xc0")
    return JPEG[:start] + bytes([0xFF, marker]) + JPEG[start + 2 : start + 4] + bytes([precision]) + JPEG[start + 5 :]


def _two_components() -> bytes:
    start = JPEG.index(b"\xff\xc0")
    frame = b"\xff\xc0\0\x0e" + JPEG[start + 4 : start + 9] + b"\2" + JPEG[start + 10 : start + 16]
    return JPEG[:start] + frame + JPEG[start + 19 :]


def brand(major: bytes, *compatible: bytes) -> bytes:
    """The start of an ISO base media file."""
    return struct.pack(">I4s4sI", 16 + 4 * len(compatible), b"ftyp", major, 0) + b"".join(compatible) + bytes(300)


_RUN = bytes([WIDTH, 3, 0, 0]) * HEIGHT + b"\0\1"
REFUSED: dict[str, tuple[bytes, str]] = {
    "bmp_rle8": (_palette_bmp(8, 256, compression=1)[:1078] + _RUN, "a BMP run-length encoded, not supported"),
    "bmp_rle4": (_palette_bmp(4, 16, compression=2)[:118] + _RUN, "a BMP run-length encoded, not supported"),
    "bmp_holding_png": (bmp([PNG], 32, compression=5), "a BMP holding a PNG, not supported"),
    "bmp_2_bits": (_palette_bmp(2, 4), "a BMP of 2 bits a pixel in compression 0, not supported"),
    "bmp_10_bits_a_colour": (
        _masks_behind(32, _rows(_FOUR), (0x3FF00000, 0xFFC00, 0x3FF)),
        "a BMP of 32 bits with masks 3ff00000 000ffc00 000003ff, not supported",
    ),
    "bmp_header_of_16_bytes": (b"BM" + bytes(12) + struct.pack("<I", 16) + bytes(80), "a header of 16 bytes"),
    "bmp_cut_off": (BMPS["bits_1"][:-5], "truncated BMP"),
    "bmp_palette_cut_off": (BMPS["bits_8"][:200], "truncated BMP"),
    "bmp_huge": (bmp([b""], 1, size=(60_000, 60_000)), "too large: 60000 x 60000"),
    "jpeg_12_bits": (_frame(0xC1, precision=12), "a JPEG of 3 components of 12 bits, not supported"),
    "jpeg_lossless": (_frame(0xC3), "a JPEG of lossless coding, not supported"),
    "jpeg_hierarchical": (_frame(0xC5), "a JPEG of hierarchical coding, not supported"),
    "jpeg_two_components": (_two_components(), "a JPEG of 2 components of 8 bits, not supported"),
    "heic": (brand(b"heic", b"mif1"), "a HEIC file, not a supported image"),
    "heic_heim": (brand(b"heim"), "a HEIC file, not a supported image"),
    "heic_general": (brand(b"mif1", b"miaf", b"heic"), "a HEIC file, not a supported image"),
    # damaged, or of no supported format where Pillow was built without a reader of AVIF
    "avif": (brand(b"avif", b"mif1"), "AVIF"),
    "avif_general": (brand(b"mif1", b"avif"), "AVIF"),
    "canon_raw": (brand(b"crx ", b"isom"), "a Canon raw file, not a supported image"),
    "video": (brand(b"isom", b"mp42"), "a video, not a supported image"),
    "brand_unknown": (brand(b"zz\0z"), "a media file (brand zz?z), not a supported image"),
    "jpeg_2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "a JPEG 2000 file, not a supported image"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing, not a supported image"),
    "zeros": (bytes(500), "nothing but zeros"),
    "git_lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
    "portable_pixmap": (b"P6\n1 1\n255\n\0\0\0", "a PNM file, not a supported image"),
}
