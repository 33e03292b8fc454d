"""The images of a WebDataset shard: a tar whose neighbours of one key are a sample. Standard library only.

A key is a member's name up to the first dot of its last part, as WebDataset cuts it. The class is that of `key.cls` (a
number), of `key.json` (`class_name` or `label`) or of `key.txt` (its name); `filename` in the JSON is the name of the
image where the key could not hold it.
"""

import itertools
import json
import posixpath
import tarfile
from collections.abc import Iterator
from typing import Any

from ftdata.errors import UserError
from ftdata.names import listed, shown
from ftdata.records.record import Record, class_of, names_beside

_JPEG = ("jpg", "jpeg", "jpe", "jfif", "pjpeg", "pjp")
_IMAGES = (*_JPEG, *["png", "apng", "webp", "bmp", "dib", "gif", "tif", "tiff", "heic", "heif", "hif", "avif"])
_JSON_CLASSES, _JSON_NAMES = ("class_name", "label", "class", "cls"), ("filename", "file_name")
_BLOCK = 512


def key_of(name: str) -> tuple[str, str]:
    """(key, ending) of a member."""
    folder, file = posixpath.split(name)
    stem, _, ending = file.partition(".")
    return posixpath.join(folder, stem), ending.lower()


def records(path: str) -> Iterator[Record]:
    """The records of a file, in order.

    Raises:
      UserError: no tar, one that is damaged or cut off, a sample without image or label.
    """
    names, files = names_beside(path), list[tarfile.TarInfo]()
    try:
        with tarfile.open(path, "r:") as archive:
            files.extend(_files(archive))
            _check_end(path, archive)
            samples = itertools.groupby(files, key=lambda member: key_of(member.name)[0])
            for number, (key, members) in enumerate(samples):
                where = f"record {number:,} of {shown(path)} ({shown(key)})"
                yield _record(path, archive, list(members), names, where)
    except tarfile.TarError as error:
        raise UserError(f"{shown(path)} is damaged or cut off ({error}); copy or write the shard again") from None


def _files(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members that are files; the archive does not hold them as well."""
    while (member := archive.next()) is not None:
        if member.isreg() and not posixpath.basename(member.name).startswith("."):
            yield member
        archive.members = []  # type: ignore[attr-defined]


def _check_end(path: str, archive: tarfile.TarFile) -> None:
    """An archive ends with blocks of zeros; tarfile takes damage for the end, and the end of the file too."""
    with open(path, "rb") as stream:
        stream.seek(archive.offset)
        block = stream.read(_BLOCK)
    if block != bytes(_BLOCK):
        what = "a damaged header" if len(block) == _BLOCK else "no end of the archive"
        raise tarfile.ReadError(f"{what} at byte {archive.offset:,}")


def _record(
    path: str, archive: tarfile.TarFile, members: list[tarfile.TarInfo], names: tuple[str, ...], where: str
) -> Record:
    by_ending = {key_of(member.name)[1]: member for member in members}
    images = [ending for ending in by_ending if ending in _IMAGES]
    images = images or [ending for ending in by_ending if ending.rpartition(".")[2] in _IMAGES]
    if len(images) != 1 or not by_ending[images[0]].size:
        found = f"{len(images)} images ({listed(images)})" if len(images) > 1 else "no image"
        raise UserError(f"{where} holds {found}: its files end in {listed(list(by_ending), limit=10)}")
    image, said = by_ending[images[0]], dict[str, Any]()
    if "json" in by_ending:
        said = _json(_content(archive, by_ending["json"]), where)
    label = next((said[name] for name in _JSON_CLASSES if isinstance(said.get(name), str | int)), None)
    for ending in ("cls", "txt"):
        if label is None and ending in by_ending:
            text = _content(archive, by_ending[ending]).decode(errors="replace").strip()
            label = int(text) if ending == "cls" and text.lstrip("-").isdecimal() else text
    if label is None:
        raise UserError(f"{where} has no label: its files end in {listed(list(by_ending), limit=10)}")
    name = next((said[name] for name in _JSON_NAMES if isinstance(said.get(name), str)), image.name)
    return Record(path, image.offset_data, image.size, name.removeprefix("./"), class_of(label, names, where))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    assert stream is not None, "a regular file"
    return stream.read()


def _json(content: bytes, where: str) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} has a .json that is none: {error}") from None
    return said if isinstance(said, dict) else {}
