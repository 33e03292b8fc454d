"""Which files are taken for images: by the ending of their name or, where that says nothing, by their first bytes."""

import os
import re

# Endings of the formats that can be decoded. Such a file is examined as an image, whatever is in it.
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".png", ".apng"),
    *(".bmp", ".dib", ".gif", ".webp"),
)
IMAGE = "image"
HIDDEN, SYSTEM, BROKEN = "hidden", "system", "broken link"

_HEAD = 32  # bytes that tell the format
# Files that are never images: not opened, as there may be one beside each image.
_OTHERS = """
.txt .csv .tsv .json .jsonl .xml .yaml .yml .toml .md .html .htm .rst .log .py .ipynb .m .r .sh .bat .npy .npz .pkl .mat
.h5 .hdf5 .keras .zip .gz .tar .tgz .7z .rar .pdf .doc .docx .xls .xlsx .part .crdownload .download .tmp .bak .lnk .url
.aae .xmp .thm
"""
_NOT_OPENED = frozenset(_OTHERS.split())
_SYSTEM = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
_READ = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP|BM.{4}\0\0\0\0", re.DOTALL)
_UNREAD = {
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "AVIF": rb".{4}ftypavi[fs]",
    "HEIC": rb".{4}ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "Photoshop": rb"8BPS",
    "icon": rb"\0\0\x01\0",
    "DICOM": rb"DICM",
    "Netpbm": rb"P[1-6]\s",
}
_UNREAD_MAGIC = {name: re.compile(magic, re.DOTALL) for name, magic in _UNREAD.items()}
_UNREAD_ENDINGS = {
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    **{".avif": "AVIF", ".jxl": "JPEG XL", ".jp2": "JPEG 2000", ".psd": "Photoshop", ".ico": "icon", ".dcm": "DICOM"},
    **dict.fromkeys((".pgm", ".ppm", ".pbm", ".pnm"), "Netpbm"),
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"), "camera raw"),
    **dict.fromkeys((".svg", ".eps"), "vector"),
}
UNREAD_FORMATS = frozenset((*_UNREAD, *_UNREAD_ENDINGS.values()))  # images that cannot be decoded


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
    if _READ.match(head):
        return IMAGE
    unread = next((found for found, magic in _UNREAD_MAGIC.items() if magic.match(head)), None)
    return unread or _UNREAD_ENDINGS.get(ending) or ending or "no extension"


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(_HEAD)
    except OSError:
        return b""
