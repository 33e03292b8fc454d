"""Whole files of a store on this machine: shards, which are indexed as a whole, and CSVs.

They are fetched in pieces, each tried again by itself, into the cache, as many as there is room for. The others are
lent: fetched, read and removed, one at a time. So there has to be room for the largest of them, and for no more.
"""

import concurrent.futures
import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ftdata import atomic, file_lock
from ftdata.errors import UserError
from ftdata.log import log
from ftdata.names import counted
from ftdata.remote import failures
from ftdata.remote.cache import Cache
from ftdata.remote.remote_file import RemoteFile
from ftdata.remote.store import Store

_PIECE = 2**24
_FILES_AT_ONCE = 8
_GIB = 2**30


class Copies:
    """Files of a store by their addresses, and what is kept of them on this machine.

    Args:
      files: by address.
      store: that has them.
      cache: where they are kept.
      beside: small files that are read with those of their folders, by address.
    """

    def __init__(
        self,
        files: Mapping[str, RemoteFile],
        store: Store,
        cache: Cache,
        beside: Mapping[str, RemoteFile] | None = None,
    ):
        self.files, self.cache, self.store, self._beside = dict(files), cache, store, dict(beside or {})
        self._kept = set[RemoteFile]()
        self.enough = ""  # GiB for --remote_cache_gib, with which all of them would be kept

    def fetch(self) -> tuple[RemoteFile, ...]:
        """Fetches what is not there yet, as far as there is room; of several processes one does, and others wait.

        Returns:
          Those that had no room.

        Raises:
          UserError: there is no room for the largest alone; as `Store.content`.
          OSError: no room on the disk.
        """
        every = tuple(dict.fromkeys(self.files.values()))
        with self._alone(is_said=True):
            lacking = [file for file in every if not self.cache.has(file)]
            if lacking:
                self.cache.keep_only(every)
                self._fetch_all(self._with_room(lacking))
            self._kept = {file for file in every if self.cache.has(file)}
        return tuple(file for file in every if file not in self._kept)

    def head(self, url: str, length: int) -> bytes:
        """The first bytes of a file."""
        file = self.files[url]
        return self.part(url, 0, min(length, file.size))[:length] if file.size else b""

    def part(self, url: str, start: int, end: int) -> bytes:
        """Some bytes of a file, out of the cache or the store.

        Raises:
          UserError: the file has changed or is gone since it was listed; the server gives no parts of files.
        """
        file = self.files[url]
        kept = self.cache.part(file, start, end)
        return kept if kept is not None else _of_listed(file, self.store, start, end)

    @contextlib.contextmanager
    def lent(self, url: str) -> Iterator[str]:
        """The path of a file under its name, with those beside it, for as long as it is read.

        Raises:
          UserError: as `fetch`; what is raised inside names the address where it named the path.
        """
        folder, _, name = url.rpartition("/")
        if name in ("", ".", ".."):
            raise UserError(f"{url} cannot be copied under its name, which is none of a file: rename it")
        desk = Path(tempfile.mkdtemp(prefix="lent-", dir=self.cache.folder))
        try:
            for other, file in self._beside.items():
                if other.rpartition("/")[0] == folder:
                    content = _of_listed(file, self.store, 0, file.size) if file.size else b""
                    (desk / other.rpartition("/")[2]).write_bytes(content)
            (desk / name).symlink_to(self.cache.path(self.files[url]))
            with self._present(self.files[url]):
                yield str(desk / name)
        except UserError as error:
            raise UserError(str(error).replace(str(desk), folder)) from None
        finally:
            shutil.rmtree(desk, ignore_errors=True)

    @contextlib.contextmanager
    def _present(self, file: RemoteFile) -> Iterator[None]:
        if file in self._kept:
            yield
            return
        with self._alone():
            _fetch_one(file, self.store, self.cache)
            try:
                yield
            finally:
                self.cache.path(file).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _alone(self, *, is_said: bool = False) -> Iterator[None]:
        """What one thread of one process does at a time; `is_said` where it waits."""
        path = self.cache.folder / "fetching"
        try:
            lock = file_lock.open_locked(path, functools.partial(file_lock.lock, wait=False))
        except BlockingIOError:
            if is_said:
                log.info(f"  another process fetches these files into {self.cache.folder}; waiting for it")
            lock = file_lock.open_locked(path)
        try:
            yield
        finally:
            os.close(lock)

    def _with_room(self, files: Sequence[RemoteFile]) -> list[RemoteFile]:
        """All, or as many as fit beside the largest, which is the most that is lent at a time."""
        size, largest = sum(file.size for file in files), max(files, key=lambda file: file.size)
        room = self.cache.room(size)
        self.enough = _at_least(self.cache.taken() + size)
        if size <= room:
            return list(files)
        if largest.size > room:
            raise UserError(
                f"{largest.url} must be on this machine as a whole while it is read, and the cache of remote files has "
                f"room for {_said(room)} of its {_said(largest.size)}: set --remote_cache_gib="
                f"{_at_least(self.cache.taken() + largest.size)} or more, or name another --data_dir"
            )
        chosen, room = list[RemoteFile](), room - largest.size
        for file in files:
            if file.size <= room:
                chosen.append(file)
                room -= file.size
        return chosen

    def _fetch_all(self, files: Sequence[RemoteFile]) -> None:
        size = sum(file.size for file in files)
        if size > 2**20:
            log.info(f"  fetching {counted(len(files), 'file')} of {size / 2**20:,.1f} MiB into {self.cache.folder}")
        with concurrent.futures.ThreadPoolExecutor(_FILES_AT_ONCE) as fetching:
            for done in [fetching.submit(_fetch_one, file, self.store, self.cache) for file in files]:
                try:
                    done.result()
                except BaseException:
                    fetching.shutdown(wait=False, cancel_futures=True)
                    raise


def _fetch_one(file: RemoteFile, store: Store, cache: Cache) -> None:
    def fill(path: Path) -> None:
        with path.open("wb") as stream:
            stream.truncate(file.size)  # so that others count it from now on
            while stream.tell() < file.size:
                start = stream.tell()
                stream.write(_of_listed(file, store, start, min(file.size, start + _PIECE)))

    atomic.write(cache.path(file), fill)


def _of_listed(file: RemoteFile, store: Store, start: int, end: int) -> bytes:
    """The bytes of a file as it was listed."""
    try:
        return store.content(file, start, end)
    except (failures.Changed, failures.Gone) as what:
        now = "has changed" if isinstance(what, failures.Changed) else "is gone"
        raise UserError(f"{file.url} {now} since it was listed: put it back, or start over") from None


def _said(size: int) -> str:
    for unit, name in ((_GIB, "GiB"), (2**20, "MiB")):
        if size >= unit / 10:
            return f"{size / unit:,.3g} {name}"
    return counted(size, "byte")


def _at_least(size: int) -> str:
    """A number of GiB of three digits that is no less."""
    gib = size / _GIB
    digits = f"{gib:.3g}"
    return digits if float(digits) >= gib else f"{gib * 1.01:.3g}"


def one(url: str, store: Store, cache: Cache) -> Path:
    """A single file, such as a CSV, on this machine.

    Raises:
      UserError: there is none; it has no room; as `Store.content`.
    """
    try:
        file = store.describe(url)
    except failures.Gone:
        raise UserError(f"there is no file {url}") from None
    Copies({url: file}, store, cache).fetch()
    return cache.path(file)
