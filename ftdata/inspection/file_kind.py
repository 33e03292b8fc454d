"""Which files are taken for images: by the ending of their name or, where that says nothing, by their first bytes."""

import os

from ftdata.decoding import foreign, headers

# Endings of the formats that can be decoded. Such a file is examined as an image, whatever is in it.
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp")
EXTENSIONS = (*_JPEG, ".png", ".apng", ".bmp", ".dib", ".gif", ".webp")
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
# Endings of images that cannot be decoded, by format.
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
    "camera raw": (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    "vector": (".svg", ".eps"),
}
_UNREAD_ENDINGS = {ending: unread for unread, endings in _UNREAD.items() for ending in endings}
UNREAD_FORMATS = frozenset(_UNREAD)


def kind(entry: "os.DirEntry[str]") -> str:
    """IMAGE where a file is to be examined as one; else what it is, in a word or two.

    That is HIDDEN, SYSTEM, one of UNREAD_FORMATS, an ending such as `.txt`, `no extension`, BROKEN or
    `no file` (pipes and devices, which are not opened). A JPEG named `.heic`, or without an ending, is an IMAGE.
    """
    name = entry.name.lower()
    if name in _SYSTEM:
        return SYSTEM
    if name.startswith("."):
        return HIDDEN
    ending = os.path.splitext(name)[1]
    if ending in EXTENSIONS:
        return IMAGE
    try:
        if not entry.is_file():  # opening a pipe would wait for ever
            return "no file" if os.path.exists(entry.path) else BROKEN
    except OSError:
        return BROKEN
    if ending in _NOT_OPENED or name.endswith("~"):
        return ending
    head = _head(entry.path)
    if headers.is_supported(head):
        return IMAGE
    return foreign.image_format(head) or _UNREAD_ENDINGS.get(ending) or ending or "no extension"


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(foreign.HEAD)
    except OSError:
        return b""
