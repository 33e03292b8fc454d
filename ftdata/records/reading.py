"""Read an image out of a shard by its place, and notice a shard that is no longer the one that was indexed."""

import contextlib
import os
from collections.abc import Iterator, Mapping

from ftdata.decoding import reading
from ftdata.errors import UserError
from ftdata.inspection.reports import FileReport, Stamp
from ftdata.names import shown


def place(path: str, offset: int, length: int) -> str:
    """What stands for an image where a file's path would: `123+4567@shard.tar`."""
    return f"{offset}+{length}@{path}"


class RecordReader(reading.Together):
    """Reads images by their places, in any order and from any thread.

    A shard is opened whenever images are read, so that one that was replaced is noticed, and no number of shards is too
    many.

    Args:
      stamps: by path of each file, its size in bytes and its time of change in ns; `files` are these paths.
    """

    at_once: int | None = None

    def __init__(self, stamps: Mapping[str, tuple[int, int]]):
        self._stamps = dict(stamps)
        self.files = tuple(self._stamps)

    def stamp(self, place: str) -> Stamp | FileReport:
        """What tells whether the image has changed, as `inspection` keeps it."""
        path, _, length = parts_of(place)
        return Stamp(length, self._stamps[path][1])

    def read(self, place: str) -> bytes:
        """The bytes of an image.

        Raises:
          UserError: the shard has changed or is gone since it was indexed.
        """
        path, offset, length = parts_of(place)
        with self._opened(path) as descriptor:
            return _content(descriptor, path, offset, length)

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """A shard to read from, which is the one that was indexed."""
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise UserError(f"{shown(path)} cannot be read any more: {error.strerror}") from None
        try:
            status = os.fstat(descriptor)
            if (status.st_size, status.st_mtime_ns) != self._stamps[path]:
                raise UserError(f"{shown(path)} has changed since it was indexed: put it back, or start over")
            yield descriptor
        finally:
            os.close(descriptor)

    def read_all(self, places: list[str]) -> list[bytes]:
        """Each shard is opened once, and the disk hears of all images before the first is waited for."""
        parts = [parts_of(place) for place in places]
        with contextlib.ExitStack() as stack:
            opened = {path: stack.enter_context(self._opened(path)) for path in {path for path, _, _ in parts}}
            for path, offset, length in parts:
                _announce(opened[path], offset, length)
            return [_content(opened[path], path, offset, length) for path, offset, length in parts]


def _announce(descriptor: int, offset: int, length: int) -> None:
    """Lets the disk begin with what is about to be read."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_WILLNEED)


def _content(descriptor: int, path: str, offset: int, length: int) -> bytes:
    content = os.pread(descriptor, length, offset)
    while len(content) < length:  # more than the kernel gives at a time
        more = os.pread(descriptor, length - len(content), offset + len(content))
        if not more:
            raise UserError(f"{shown(path)} has been cut off at byte {offset + len(content):,}")
        content += more
    return content


def parts_of(place: str) -> tuple[str, int, int]:
    """What `place` was made of."""
    extent, _, path = place.partition("@")
    offset, _, length = extent.partition("+")
    return path, int(offset), int(length)
