"""The reports on many files as a table: an array for each thing that is known, and no object for each file."""

import dataclasses
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from ftdata import atomic
from ftdata.inspection.reports import FileReport

_DIGEST = 16  # bytes
_FLAGS = ("is_read", "plain", "foreign", "several")  # bits of `flags`, from the lowest


@dataclasses.dataclass(eq=False)
class ReportTable(Sequence[FileReport]):
    """What was found of n files, in their order.

    `stamps`, int64 [n, 2], are size and time of change; `digests`, uint8 [n, 16]; `pixels`, int64 [n]; `flags`, uint8
    [n], the bits of _FLAGS; `reasons` by place, of those that cannot be used.
    """

    stamps: np.ndarray
    digests: np.ndarray
    pixels: np.ndarray
    flags: np.ndarray
    reasons: dict[int, str]

    @classmethod
    def empty(cls, count: int) -> "ReportTable":
        """Of files of which nothing is known yet."""
        stamps, digests = np.zeros((count, 2), np.int64), np.zeros((count, _DIGEST), np.uint8)
        return cls(stamps, digests, np.zeros(count, np.int64), np.zeros(count, np.uint8), {})

    def __len__(self) -> int:
        return len(self.flags)

    @overload
    def __getitem__(self, place: int) -> FileReport: ...
    @overload
    def __getitem__(self, place: slice) -> list[FileReport]: ...
    def __getitem__(self, place: int | slice) -> FileReport | list[FileReport]:
        """The report of a file."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if place >= len(self):
            raise IndexError(place)
        is_read, plain, foreign, several = (bool(self.flags[place] >> bit & 1) for bit in range(len(_FLAGS)))
        digest = self.digests[place].tobytes().hex() if is_read else None
        return FileReport(digest, self.reasons.get(place), plain, foreign, several, int(self.pixels[place]))

    def set(self, place: int, report: FileReport) -> None:
        """Puts in the report of a file."""
        values = (report.digest is not None, report.plain, report.foreign, report.several)
        self.flags[place] = sum(value << bit for bit, value in enumerate(values))
        self.pixels[place] = report.pixels
        if report.digest is not None:
            self.digests[place] = np.frombuffer(bytes.fromhex(report.digest), np.uint8)
        if report.reason is not None:
            self.reasons[place] = report.reason

    def copy(self, places: np.ndarray, other: "ReportTable", from_places: np.ndarray) -> None:
        """Puts in the reports at `from_places` of another table, int [k], at `places`, int [k]."""
        for name in ("stamps", "digests", "pixels", "flags"):
            getattr(self, name)[places] = getattr(other, name)[from_places]
        if other.reasons:
            pairs = zip(places.tolist(), from_places.tolist(), strict=True)
            self.reasons |= {place: other.reasons[old] for place, old in pairs if old in other.reasons}

    def at(self, places: np.ndarray) -> "ReportTable":
        """The reports at some places, int [k]."""
        table = ReportTable.empty(len(places))
        table.copy(np.arange(len(places)), self, places)
        return table

    def has(self, flag: str) -> np.ndarray:
        """One of _FLAGS of each file, bool [n]."""
        return (self.flags >> _FLAGS.index(flag) & 1).astype(bool)

    @property
    def is_usable(self) -> np.ndarray:
        """Which files can be used: bool [n]."""
        usable = np.ones(len(self), bool)
        usable[list(self.reasons)] = False
        return usable


@dataclasses.dataclass(frozen=True, eq=False)
class KeptReports:
    """The table of an earlier examination, and the paths that it is of, one after the other with a NUL between."""

    paths: bytes
    table: ReportTable

    @classmethod
    def load(cls, path: Path) -> "KeptReports":
        """Reads what `save` has written; of no files where there is no such file, or one that holds something else."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
                said = json.loads(kept["reasons"].tobytes())
                arrays = {name: kept[name] for name in ("stamps", "digests", "pixels", "flags")}
                table = ReportTable(**arrays, reasons={int(place): str(reason) for place, reason in said.items()})
                found = cls(kept["paths"].tobytes(), table)
                shapes = [len(array) == len(table) for array in arrays.values()]
                return found if all(shapes) and found.count == len(table) else cls.none()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
            return cls.none()

    @classmethod
    def none(cls) -> "KeptReports":
        """Of no files."""
        return cls(b"", ReportTable.empty(0))

    @property
    def count(self) -> int:
        """How many paths there are."""
        return self.paths.count(b"\0") + 1 if self.paths else 0

    def places_of(self, paths: Sequence[str]) -> np.ndarray:
        """Where each path stands in the table, int64 [n]; -1 where it does not."""
        if self.paths == joined(paths):
            return np.arange(self.count)
        known = {path: place for place, path in enumerate(self.paths.split(b"\0") if self.paths else ())}
        return np.array([known.get(_encoded(path), -1) for path in paths], np.int64)

    def save(self, path: Path) -> None:
        """Writes the table, whole or not at all.

        Raises:
          OSError: no room, no permission.
        """
        reasons = json.dumps({str(place): reason for place, reason in self.table.reasons.items()}).encode()
        arrays = {name: getattr(self.table, name) for name in ("stamps", "digests", "pixels", "flags")}
        arrays |= {"paths": np.frombuffer(self.paths, np.uint8), "reasons": np.frombuffer(reasons, np.uint8)}

        def write(temporary: Path) -> None:
            with temporary.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **arrays)

        atomic.write(path, write)


def joined(paths: Sequence[str]) -> bytes:
    """Paths one after the other with a NUL between, which no path holds."""
    return _encoded("\0".join(paths))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
