"""What the examination of a folder's files found, kept so that no unchanged file is examined twice.

One file a folder (`report_table`), below the folder where TFDS and the decoded cache lie. A file's report holds as long
as its size and its time of change do; a file that could not even be read has none.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from ftdata import address
from ftdata.names import counted

# Raise this when a file could be judged differently: reports given before are not used any more.
_VERSION = 4


@dataclasses.dataclass(frozen=True, slots=True)
class FileReport:
    """What the examination of a file found.

    `digest`: of its bytes, None if unread. `reason`: why it cannot be used, in a few words, or None. `plain`: whether
    it is `jpeg.is_plain_jpeg`. `foreign`: whether it is of a format of `decoding.transcoding`; `several`: whether such
    a file has more than the one page or image that is read. `pixels`: how many its header says, 0 if unread.
    """

    digest: str | None
    reason: str | None = None
    plain: bool = False
    foreign: bool = False
    several: bool = False
    pixels: int = 0


class Stamp(NamedTuple):
    """What tells whether a file has changed."""

    size: int
    changed_ns: int


class Storage(Protocol):
    """Where images lie that are no files here: what tells whether one has changed, and its bytes.

    `at_once` says how many are best read at one time, None of those that lie on a disk.
    """

    at_once: int | None

    def stamp(self, place: str) -> Stamp | FileReport: ...  # noqa: D102
    def read(self, place: str) -> bytes: ...  # noqa: D102


def of_several(names: Sequence[str]) -> tuple[str, ...]:
    """A line on the files that hold more pages or images than the one that is read; none without such."""
    if not names:
        return ()
    count = f"of {counted(len(names), 'file')} with several pages or images the first is read"
    return (f"warning: {count}, such as {names[0]}",)


def path_for(origin: str, *, folder: Path, made_with: object) -> Path:
    """Where the reports on the images of `origin` (a folder or a CSV) lie; `made_with` names the judge."""
    key = repr((address.whole(origin), made_with, _VERSION))
    return folder / f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:32]}.npz"
