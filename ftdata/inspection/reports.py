"""What the examination of a folder's files found, kept so that no unchanged file is examined twice.

One JSON file a folder, below the folder where TFDS and the decoded cache lie. A file's report holds as long
as its size and its time of change do; a file that could not even be read has none.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ftdata import atomic
from ftdata.names import counted

# Raise this when a file could be judged differently: reports given before are not used any more.
_VERSION = 3


@dataclasses.dataclass(frozen=True)
class FileReport:
    """What the examination of a file found.

    `digest`: of its bytes, None if unread. `reason`: why it cannot be used, in a few words, or None. `plain`: whether
    it is `jpeg.is_plain_jpeg`. `foreign`: whether it is of a format of `decoding.transcoding`; `several`: whether such
    a file has more than the one page or image that is read.
    """

    digest: str | None
    reason: str | None = None
    plain: bool = False
    foreign: bool = False
    several: bool = False


@dataclasses.dataclass(frozen=True)
class Stamp:
    """What tells whether a file has changed."""

    size: int
    changed_ns: int


class Storage(Protocol):
    """Where images lie that are no files: what tells whether one has changed, and its bytes."""

    def stamp(self, place: str) -> Stamp | FileReport: ...  # noqa: D102
    def read(self, place: str) -> bytes: ...  # noqa: D102


def of_several(judged: Mapping[str, FileReport]) -> tuple[str, ...]:
    """A line on the files, by name, that hold more pages or images than the one that is read; none without such."""
    names = [name for name, report in judged.items() if report.several]
    if not names:
        return ()
    count = f"of {counted(len(names), 'file')} with several pages or images the first is read"
    return (f"warning: {count}, such as {names[0]}",)


def path_for(origin: str, *, folder: Path, made_with: object) -> Path:
    """Where the reports on the images of `origin` (a folder or a CSV) lie; `made_with` names the judge."""
    key = repr((os.path.abspath(os.path.expanduser(origin)), made_with, _VERSION))
    return folder / f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:32]}.json"


def load(path: Path) -> dict[str, tuple[Stamp, FileReport]]:
    """The reports by path; none where there is no such file, or one that does not hold reports."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {name: (Stamp(*stamp), FileReport(*report)) for name, (stamp, report) in rows.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def save(path: Path, reports: Mapping[str, tuple[Stamp, FileReport]]) -> None:
    """Writes the reports, whole or not at all.

    Raises:
      OSError: no room, no permission.
    """
    rows = {
        name: (dataclasses.astuple(stamp), dataclasses.astuple(report)) for name, (stamp, report) in reports.items()
    }
    atomic.write(path, lambda temporary: temporary.write_text(json.dumps(rows), encoding="utf-8"))
