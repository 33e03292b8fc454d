"""What a file is that is no image of a supported format, told by its first bytes. Standard library only."""

from collections.abc import Sequence

# Images
_IMAGES = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"8BPS": "Photoshop",
    b"\0\0\1\0": "icon",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
}
_OTHERS = {
    b"IIU\0": "a Panasonic raw file",
    b"IIRO": "an Olympus raw file",
    b"FUJIFILMCCD-RAW": "a Fujifilm raw file",
    b"%PDF": "a PDF file",
    b"%!PS": "a PostScript file",
    b"PK\3\4": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\0\0\2\0": "a cursor file",
    b"qoif": "a QOI file",
    b"DDS ": "a DDS file",
    b"v/1\1": "an OpenEXR file",
    b"#?RADIANCE": "a Radiance HDR file",
    b"\x8aMNG": "an MNG file",
    b"SIMPLE  =": "a FITS file",
    b"gimp xcf": "a GIMP file",
    b"\x1aE\xdf\xa3": "a video",
    b"OggS": "an Ogg file",
    b"\0\0\1\xba": "a video",
    b"SQLite format 3": "a database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"version https://git-lfs": "a pointer of Git LFS (fetch the image with `git lfs pull`)",
}
# ISO base media (ISO/IEC 14496-12), which tell what they are by brands: the files of phones
_GENERAL = ("mif1", "msf1", "miaf", "mif2", "heif")  # says only that it is an image: what follows says which
_HEIC = ("heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", *_GENERAL)
_VIDEOS = ("isom", "iso2", "iso4", "iso5", "iso6", "mp41", "mp42", "avc1", "dash", "M4V ", "MSNV")
_OLDER_VIDEOS = ("qt  ", "3gp4", "3gp5", "3gp6", "3g2a", "mmp4", "f4v ")
_BY_BRAND = {
    "avif": "AVIF",
    "avis": "AVIF",
    "jp2 ": "JPEG 2000",
    **dict.fromkeys(_HEIC, "HEIC"),
    "crx ": "a Canon raw file",
    "M4A ": "a sound file",
    "M4B ": "a sound file",
    **dict.fromkeys((*_VIDEOS, *_OLDER_VIDEOS), "a video"),
}
HEAD = 132  # bytes that tell an image's format


def image_format(head: bytes) -> str | None:
    """The format of an image that is not supported, such as `HEIC`, by its first bytes (HEAD are enough); or None."""
    if head[4:8] == b"ftyp":
        known = _by_brand(_brands(head))
        return known if known in ("AVIF", "HEIC", "JPEG 2000") else None
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[:1] == b"P" and head[1:2] in b"1234567" and head[2:3].isspace():
        return "PNM"
    return next((found for start, found in _IMAGES.items() if head.startswith(start)), None)


def name(encoded: bytes) -> str:
    """Why a file of these bytes is not read, in a few words: `a HEIC file, not a supported image`."""
    if not encoded:
        return "empty file"
    found = image_format(encoded)
    if found:
        article = "an" if found in ("AVIF", "icon") else "a"
        return f"{article} {found} file, not a supported image"
    known = next((kind for start, kind in _OTHERS.items() if encoded.startswith(start)), None)
    if encoded[4:8] == b"ftyp":
        brands = _brands(encoded)
        known = _by_brand(brands) or f"a media file (brand {_shown(brands)})"
    elif encoded[:4] == b"RIFF":
        known = {b"AVI ": "a video", b"WAVE": "a sound file"}.get(encoded[8:12])
    if known:
        return f"{known}, not a supported image"
    head = encoded[:512].decode("utf-8", "replace").rstrip("\ufffd")
    if head and all(letter.isprintable() or letter.isspace() for letter in head):
        return "an SVG drawing, not a supported image" if "<svg" in head else "text, not an image"
    if not encoded.strip(b"\0"):
        return "nothing but zeros"
    return "no image: not JPEG, PNG, BMP, GIF or WebP"


def _by_brand(brands: Sequence[str]) -> str | None:
    return next((_BY_BRAND[brand] for brand in brands if brand in _BY_BRAND), None)


def _shown(brands: Sequence[str]) -> str:
    first = brands[0] if brands else ""
    return "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in first).strip()


def _brands(encoded: bytes) -> list[str]:
    """The brands of a file of ISO base media, the one that tells most first."""
    length = min(int.from_bytes(encoded[:4], "big"), 256)
    named = [encoded[8:12], *(encoded[start : start + 4] for start in range(16, length, 4))]
    brands = [brand.decode("latin-1") for brand in named if len(brand) == 4]
    if brands and brands[0] in _GENERAL:
        return [brand for brand in brands if brand not in _GENERAL] or brands
    return brands
