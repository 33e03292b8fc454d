"""Which files a pattern means, in which format they are, and which split they hold. Standard library only."""

import dataclasses
import glob
import os
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ftdata.decoding import foreign
from ftdata.errors import UserError
from ftdata.folders import roles
from ftdata.names import counted, listed, shown
from ftdata.records.record import NAMES_OF_CLASSES, begins_as_image
from ftdata.settings import said

TFRECORD, WEBDATASET, PARQUET = FORMATS = ("tfrecord", "webdataset", "parquet")
_NUMBERED = re.compile(r"\.tfrecords?(\b|$)|-\d+-of-\d+$")  # as TFDS and as the Model Garden name them
_COUNTED = re.compile(r"(.*?)(\d{5})-of-(\d{5})(\D*)", re.DOTALL)  # photos-train-00001-of-00004.tar
_CALLED = {TFRECORD: "a TFRecord", WEBDATASET: "a tar", PARQUET: "a Parquet file"}
_SPLIT_WORD = re.compile(r"[A-Za-z]+")
HEAD = 512


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file of records, as it was found; `split` is that which its name says, `train` where it says none."""

    path: str
    size: int
    changed_ns: int
    split: str


def find(pattern: str) -> tuple[str, tuple[Shard, ...], tuple[str, ...]]:
    """The shards that a pattern means, in the order of their names.

    Args:
      pattern: a pattern of file names (`**` goes down), a file, or a folder, whose shards are meant.

    Returns:
      Their format, one of FORMATS; the shards; notes on files that are passed over.

    Raises:
      UserError: nothing matches, several formats, compressed files.
    """
    place = os.path.abspath(os.path.expanduser(pattern))
    is_folder = os.path.isdir(place)
    wanted = os.path.join(glob.escape(place), "**") if is_folder else place
    files = sorted(path for path in glob.glob(wanted, recursive=True) if os.path.isfile(path))
    if not files:
        what = "a folder without files" if is_folder else "no file matches it"
        raise UserError(
            f"records must be a pattern of shards in quotes, such as 'data/*.tar', got {said(pattern)}: {what}"
        )
    kind, paths, notes = chosen(pattern, {path: _head(path) for path in files})
    return kind, _shards(paths), notes


def chosen(pattern: str, heads: Mapping[str, bytes]) -> tuple[str, list[str], tuple[str, ...]]:
    """Which of some files are shards.

    Args:
      pattern: that means them, for messages.
      heads: the first HEAD bytes of each, by path, in the order of the paths.

    Returns:
      Their format, one of FORMATS; their paths; notes on files that are passed over.

    Raises:
      UserError: none is one, several formats, compressed files.
    """
    by_format: dict[str | None, list[str]] = {}
    for path, head in heads.items():
        by_format.setdefault(_format(path, head), []).append(path)
    others = [path for path in by_format.pop(None, []) if not path.endswith(NAMES_OF_CLASSES)]  # which are read
    if not by_format:
        raise UserError(
            f"records must be TFRecord (.tfrecord, or -00000-of-00010), tar or Parquet files, got {said(pattern)}: "
            f"{counted(len(others), 'file')} of other kinds ({listed([shown(path) for path in others], limit=2)}); "
            "a folder of images is --image_dir"
        )
    if len(by_format) > 1:
        kinds = [f"{len(paths):,} {kind} ({shown(paths[0])})" for kind, paths in by_format.items()]
        raise UserError(f"records must be of one format, got {' and '.join(kinds)}: narrow the pattern {said(pattern)}")
    (kind, paths), *_ = by_format.items()
    notes = _missing(paths)
    if others:
        notes += (f"files beside the shards that are passed over: {listed([shown(Path(p).name) for p in others])}",)
    return str(kind), paths, notes


def _missing(paths: Sequence[str]) -> tuple[str, ...]:
    """A line on the shards that `-of-00004` in the names of the others counts."""
    sets = dict[tuple[str, str, str, str], set[int]]()
    for path in paths:
        if found := _COUNTED.fullmatch(path):
            before, number, count, after = found.groups()
            sets.setdefault((before, count, after, "0" + str(len(number))), set()).add(int(number))
    lacking = [
        f"{shown(Path(before).name)}{number:{width}}-of-{count}{shown(after)}"
        for (before, count, after, width), there in sets.items()
        for number in sorted({*range(int(count))} - there)
    ]
    if not lacking:
        return ()
    return (f"warning: not among the shards, though their names count them: {listed(lacking)}",)


def _head(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(HEAD)


def _format(path: str, head: bytes) -> str | None:
    """By content, as far as it has a mark, else by name; None where it is no shard.

    Raises:
      UserError: it is compressed as a whole, or something else than its name says.
    """
    name = Path(path).name.lower()
    if head[:2] == b"\x1f\x8b" and (_NUMBERED.search(name) or name.endswith((".tgz", ".gz"))):
        raise UserError(f"records must not be compressed as a whole, got {shown(path)}: unpack it with gunzip")
    if head[:4] == b"PAR1":
        return PARQUET
    if head[257:262] == b"ustar":
        return WEBDATASET
    named = {name.endswith(".parquet"): PARQUET, name.endswith(".tar"): WEBDATASET}.get(True)
    named = named or (TFRECORD if _NUMBERED.search(name) else None)
    if named and not _begins_as(named, head):
        held = foreign.name(head).partition(", not ")[0]
        held = "an image" if begins_as_image(head) else "something else" if held.startswith("no image") else held
        raise UserError(
            f"records must be TFRecord, WebDataset (tar) or Parquet files, got {shown(path)}: its name is that of "
            f"{_CALLED[named]}, and it holds {held}; leave it out of the pattern"
        )
    return named


def _begins_as(kind: str, head: bytes) -> bool:
    """Whether a file without the mark of its format may be of it all the same, by its first bytes."""
    if kind == PARQUET:
        return False
    if kind == TFRECORD:  # the length of the first record, below 2^40
        return head[5:8] == bytes(len(head[5:8]))
    if not head.strip(b"\0"):
        return True  # an archive without files
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")  # tar of before 1988
    except tarfile.HeaderError:
        return False
    return True


def _shards(paths: Sequence[str]) -> tuple[Shard, ...]:
    found = []
    for path in paths:
        status = os.stat(path)
        found.append(Shard(path, status.st_size, status.st_mtime_ns, split_of(path)))
    return tuple(found)


def split_of(path: str) -> str:
    """The split that the name of a shard says, or else that of its folder: `flowers-train.tfrecord-00000-of-00004`.

    Of several words the last one counts: a data set may be called `test_tubes`.
    """
    name = Path(path).name
    words = [roles.split_of(word) for word in _SPLIT_WORD.findall(name.partition(".")[0])]
    said = [split for split in words if split]
    return said[-1] if said else roles.split_of(Path(path).parent.name) or roles.TRAIN
