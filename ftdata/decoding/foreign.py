"""What a file is that is no image of a supported format, told by its first bytes. Standard library only."""

_BY_START = {
    b"II*\0": "a TIFF file",
    b"MM\0*": "a TIFF file",
    b"II+\0": "a TIFF file",
    b"MM\0+": "a TIFF file",
    b"IIU\0": "a Panasonic raw file",
    b"IIRO": "an Olympus raw file",
    b"FUJIFILMCCD-RAW": "a Fujifilm raw file",
    b"%PDF": "a PDF file",
    b"%!PS": "a PostScript file",
    b"PK\3\4": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"8BPS": "a Photoshop file",
    b"\0\0\1\0": "an icon file",
    b"\0\0\2\0": "a cursor file",
    b"\xff\x0a": "a JPEG XL file",
    b"\0\0\0\x0cJXL ": "a JPEG XL file",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 file",
    b"\xff\x4f\xff\x51": "a JPEG 2000 file",
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
_BY_BRAND = {
    **dict.fromkeys(("avif", "avis"), "an AVIF file"),
    **dict.fromkeys(("heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"), "a HEIC file"),
    **dict.fromkeys(("mif1", "msf1", "mif2", "miaf", "heif"), "a HEIC file"),
    "crx ": "a Canon raw file",
    "jp2 ": "a JPEG 2000 file",
    **dict.fromkeys(
        ("isom", "iso2", "iso4", "iso5", "iso6", "mp41", "mp42", "avc1", "dash", "M4V ", "MSNV"), "a video"
    ),
    **dict.fromkeys(("qt  ", "3gp4", "3gp5", "3gp6", "3g2a", "mmp4", "f4v "), "a video"),
    **dict.fromkeys(("M4A ", "M4B "), "a sound file"),
}
_GENERAL = ("mif1", "msf1", "miaf", "mif2", "heif")  # says only that it is an image: what follows says which


def name(encoded: bytes) -> str:
    """Why a file of these bytes is not read, in a few words: `a HEIC file, not a supported image`."""
    if not encoded:
        return "empty file"
    known = next((kind for start, kind in _BY_START.items() if encoded.startswith(start)), None)
    if encoded[4:8] == b"ftyp":
        known = _by_brand(encoded)
    elif encoded[:4] == b"RIFF":
        known = {b"AVI ": "a video", b"WAVE": "a sound file"}.get(encoded[8:12])
    elif encoded[128:132] == b"DICM":
        known = "a DICOM file"
    elif encoded[:1] == b"P" and encoded[1:2] in b"1234567" and encoded[2:3].isspace():
        known = "a PNM file"
    if known:
        return f"{known}, not a supported image"
    head = encoded[:512].decode("utf-8", "replace").rstrip("\ufffd")
    if head and all(letter.isprintable() or letter.isspace() for letter in head):
        return "an SVG drawing, not a supported image" if "<svg" in head else "text, not an image"
    if not encoded.strip(b"\0"):
        return "nothing but zeros"
    return "no image: not JPEG, PNG, BMP, GIF or WebP"


def _by_brand(encoded: bytes) -> str:
    length = min(int.from_bytes(encoded[:4], "big"), 256)
    named = [encoded[8:12], *(encoded[start : start + 4] for start in range(16, length, 4))]
    brands = [brand.decode("latin-1") for brand in named if len(brand) == 4]
    special = [brand for brand in brands if brand not in _GENERAL] or brands
    if brands and brands[0] in _GENERAL:
        brands = special
    known = next((_BY_BRAND[brand] for brand in brands if brand in _BY_BRAND), None)
    shown = "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in (brands or [""])[0])
    return known or f"a media file (brand {shown.strip()!r})"
