"""Which files are taken for images: by the ending of their name or, where that says nothing, by their first bytes."""

import os

from ftdata.decoding import foreign, headers, transcoding

# Endings of the formats that can be decoded whatever is installed. Such a file is examined as an image, whatever is in
# it.
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp")
EXTENSIONS = (*_JPEG, ".png", ".apng", ".bmp", ".dib", ".gif", ".webp")
ARRAYS = (".npy",)  # of images of other channels than three
IMAGE = "image"
HIDDEN, SYSTEM, BROKEN = "hidden", "system", "broken link"

# Files that are never images: not opened, as there may be one beside each image.
_OTHERS = """
.txt .csv .tsv .json .jsonl .xml .yaml .yml .toml .md .html .htm .rst .log .py .ipynb .m .r .sh .bat .npy .npz .pkl .mat
.h5 .hdf5 .keras .zip .gz .tar .tgz .7z .rar .pdf .doc .docx .xls .xlsx .part .crdownload .download .tmp .bak .lnk .url
.aae .xmp .thm
"""
_NOT_OPENED = frozenset(_OTHERS.split())
_SYSTEM = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
# Cameras' own files, many of which begin as a TIFF does and hold a preview where that has its image.
_RAW_ENDINGS = """
.dng .cr2 .cr3 .crw .nef .nrw .arw .sr2 .srf .orf .rw2 .rwl .raf .pef .srw .3fr .fff .erf .kdc .dcr .mos .mef .mrw .iiq
.x3f .gpr
"""
_RAW = tuple(_RAW_ENDINGS.split())
# Endings of images that cannot be decoded, or only with what not every installation has, by format.
_UNREAD = {
    "TIFF": (".tif", ".tiff"),
    "HEIC": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
    "JPEG XL": (".jxl",),
    "JPEG 2000": (".jp2",),
    "Photoshop": (".psd",),
    "icon": (".ico",),
    "DICOM": (".dcm",),
    "PNM": (".pgm", ".ppm", ".pbm", ".pnm"),
    "camera raw": _RAW,
    "vector": (".svg", ".eps"),
}
_UNREAD_ENDINGS = {ending: unread for unread, endings in _UNREAD.items() for ending in endings}
UNREAD_FORMATS = frozenset(_UNREAD)


def extensions(channels: int = 3) -> tuple[str, ...]:
    """Endings of the formats that can be decoded here: EXTENSIONS, and those of what is installed."""
    if channels != 3:
        return (*ARRAYS, *(_UNREAD["TIFF"] if transcoding.is_readable("TIFF") else ()))
    return EXTENSIONS + tuple(
        ending for unread, endings in _UNREAD.items() if transcoding.is_readable(unread) for ending in endings
    )


def kind(entry: "os.DirEntry[str]", channels: int = 3) -> str:
    """IMAGE where a file is to be examined as one; else what it is, in a word or two.

    A .npy file is one with other `channels` than 3; else it may hold anything, such as what goes with each image.

    That is HIDDEN, SYSTEM, one of UNREAD_FORMATS, an ending such as `.txt`, `no extension`, BROKEN or
    `no file` (pipes and devices, which are not opened). A JPEG named `.heic`, or without an ending, is an IMAGE.
    """
    found = by_name(entry.name, channels)
    if found in (SYSTEM, HIDDEN, IMAGE):
        return str(found)
    try:
        if not entry.is_file():  # opening a pipe would wait for ever
            return "no file" if os.path.exists(entry.path) else BROKEN
    except OSError:
        return BROKEN
    return found or by_content(entry.name, _head(entry.path))


def by_name(name: str, channels: int = 3) -> str | None:
    """As `kind`, of what the name alone says; None where the first bytes have to be looked at."""
    name = name.lower()
    if name in _SYSTEM:
        return SYSTEM
    if name.startswith("."):
        return HIDDEN
    ending = os.path.splitext(name)[1]
    always = EXTENSIONS if channels == 3 else EXTENSIONS + ARRAYS
    if ending in always or transcoding.is_readable(_UNREAD_ENDINGS.get(ending)):
        return IMAGE
    return (ending or "no extension") if ending in _NOT_OPENED or name.endswith("~") else None


def by_content(name: str, head: bytes) -> str:
    """As `kind`, of a file whose name does not say what it is; by its first bytes, of which `foreign.HEAD` will do."""
    ending = os.path.splitext(name.lower())[1]
    if headers.is_supported(head):
        return IMAGE
    if ending in _RAW:
        return "camera raw"
    found = foreign.image_format(head)
    if transcoding.is_readable(found):
        return IMAGE
    return found or _UNREAD_ENDINGS.get(ending) or ending or "no extension"


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(foreign.HEAD)
    except OSError:
        return b""
