"""Remote files that were fetched, kept on this machine: a folder for each data set, all together within a bound.

What is in a folder stays while a living process uses it. Of a data set larger than the bound as many files are kept as
fit, and the others are fetched whenever they are read: a permutation in each epoch reads all equally often, so nothing
is gained by exchanging them. Whole folders that nobody uses make room, the one not used for the longest first.
"""

import contextlib
import errno
import functools
import hashlib
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from ftdata import atomic, file_lock
from ftdata.errors import UserError
from ftdata.log import log
from ftdata.remote.remote_file import RemoteFile

_GIB = 2**30
_SHARE = 0.5  # of what the disk has room for, where no bound is given
_LOCK = "lock"  # held as long as the cache is used, so that nobody removes it
_SHARED = functools.partial(file_lock.lock, shared=True)
_USERS = "users"  # the same, but let go for a moment to see whether there are others
_AGAIN = 1 / 16  # of the bound: after so much has come, what others have fetched is counted too


class Cache:
    """The files of one data set that were fetched, in `folder`, beside those of others.

    Args:
      root: the folder of all caches.
      url: of the data set.
      limit_gib: of all caches together; by default half of what the disk has room for.

    Raises:
      UserError: the folder cannot be made.
    """

    def __init__(self, root: Path, url: str, *, limit_gib: float | None = None):
        self.root = root
        self.folder = root / hashlib.sha256(url.encode(errors="surrogateescape")).hexdigest()[:32]
        try:
            self._locks = self._locked(url)
        except OSError as error:
            raise UserError(f"{self.folder} cannot be written ({error.strerror}): name another --data_dir") from None
        self._limit_gib, self._here = limit_gib, threading.Lock()
        self._known: frozenset[str] | None = None  # the keys of what is of use, until the rest has been removed
        self._size: int | None = None  # of all caches; unknown before the first file is added
        self._since = 0  # bytes that were added after that was counted

    def _locked(self, url: str) -> list[int]:
        """Makes the folder and holds it; again where another process removes it at that moment."""
        for _ in range(9):
            self.folder.mkdir(parents=True, exist_ok=True)
            held = list[int]()
            try:
                (self.folder / "address").write_text(url, encoding="utf-8", errors="surrogateescape")  # for a reader
                for name in (_LOCK, _USERS):
                    held.append(file_lock.open_locked(self.folder / name, _SHARED))
                os.utime(self.folder / _LOCK)
                return held
            except FileNotFoundError:
                for lock in held:
                    os.close(lock)
        raise FileNotFoundError(errno.ENOENT, "it is removed again and again")

    def close(self) -> None:
        """Lets go of the folder, which others may remove from then on."""
        for lock in self._locks:
            os.close(lock)

    @property
    def limit(self) -> int:
        """What all caches together may take, in bytes."""
        if self._limit_gib is not None:
            return int(self._limit_gib * _GIB)
        disk = os.statvfs(self.root)
        return int(_SHARE * (disk.f_bavail * disk.f_frsize + self.taken()))

    def path(self, file: RemoteFile) -> Path:
        """Where a file is kept, if it is."""
        return self.folder / file.key[:2] / file.key

    def get(self, file: RemoteFile) -> bytes | None:
        """The bytes of a file, None where they are not kept."""
        try:
            content = self.path(file).read_bytes()
        except OSError:
            return None
        return content if len(content) == file.size else None

    def has(self, file: RemoteFile) -> bool:
        """Whether a file is kept, whole."""
        try:
            return self.path(file).stat().st_size == file.size
        except OSError:
            return False

    def put(self, file: RemoteFile, content: bytes) -> bool:
        """Keeps a file if there is room; whether it does."""
        if not self.reserve(len(content)):
            return False
        try:
            atomic.write(self.path(file), lambda temporary: temporary.write_bytes(content))
        except OSError:  # the disk is full, or somebody has removed the folder
            return False
        return True

    def part(self, file: RemoteFile, start: int, end: int) -> bytes | None:
        """Some bytes of a file, None where it is not kept."""
        try:
            with self.path(file).open("rb", buffering=0) as stream:
                if os.fstat(stream.fileno()).st_size != file.size:
                    return None
                content = os.pread(stream.fileno(), end - start, start)
                while 0 < len(content) < end - start:  # more than the kernel gives at a time
                    content += os.pread(stream.fileno(), end - start - len(content), start + len(content))
                return content
        except OSError:
            return None

    def keep_only(self, files: Iterable[RemoteFile]) -> None:
        """Removes other versions of these files, and what killed processes have left half written.

        Only where no other process uses the folder, which may know other versions. Files that are not among these stay
        until room is needed: another pattern or CSV may name them.
        """
        known = {file.place: file.key for file in files}
        self._known = frozenset(known.values())
        with self._alone() as alone:
            for path in self.folder.glob("??/*") if alone else ():
                if path.name != known.get(path.name[:16], path.name) or path.name.startswith("."):
                    path.unlink(missing_ok=True)
            for path in self.folder.glob("lent-*") if alone else ():
                shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other process uses the folder, nor comes to use it meanwhile."""
        try:
            file_lock.lock(self._locks[1], wait=False)
        except OSError:
            yield False
        else:
            yield True
        finally:
            file_lock.lock(self._locks[1], shared=True)

    def room(self, wanted: int) -> int:
        """Of so many bytes those that may be added; what is of no use is removed for them."""
        with self._here:
            self._size, self._since = self._counted(), 0
            if (over := self._size + wanted - self.limit) > 0:
                self._size -= self._make_room(over)
            return max(0, min(wanted, self.limit - self._size))

    def reserve(self, size: int) -> bool:
        """Takes room for some bytes that will be added, removing caches that nobody uses; False where there is none."""
        with self._here:
            if self._size is None or self._since > _AGAIN * self.limit:
                self._size, self._since = self._counted(), 0
            if (over := self._size + size - self.limit) > 0:
                freed = self._make_room(over)
                self._size -= freed
                if freed < over:
                    return False
            self._size += size
            self._since += size
            return True

    def taken(self) -> int:
        """Bytes of all caches, as they were counted last."""
        if self._size is None:
            self._size = self._counted()
        return self._size

    def _counted(self) -> int:
        """Bytes of all caches now, of what killed processes have left half written too."""
        return sum(_size_of(folder) for folder in self.root.iterdir() if folder.is_dir())

    def _make_room(self, needed: int) -> int:
        """Removes what is of no use, then caches that nobody uses, until so many bytes are free; those that are."""
        freed = self._remove_strangers()
        others = [folder for folder in self.root.iterdir() if folder != self.folder and folder.is_dir()]
        for folder in sorted(others, key=_last_use):
            if freed >= needed:
                break
            freed += _remove(folder)
        if freed:
            log.info(f"  cache of remote files: freed {freed / 2**20:,.0f} MiB in {self.root}")
        return freed

    def _remove_strangers(self) -> int:
        """Removes, once, the files that `keep_only` was not told of; their bytes."""
        known, self._known = self._known, None
        freed = 0
        if known is None:
            return freed
        with self._alone() as alone:
            for path in self.folder.glob("??/*") if alone else ():
                if path.name not in known and not path.name.startswith("."):
                    freed += path.stat().st_size
                    path.unlink(missing_ok=True)
        return freed


def _size_of(folder: Path) -> int:
    size, pending = 0, [str(folder)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    size += entry.stat(follow_symlinks=False).st_size
    return size


def _last_use(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return (folder / _LOCK).stat().st_mtime
    return 0.0


def _remove(folder: Path) -> int:
    """Removes a cache; the bytes that it took, 0 where somebody uses it."""
    try:
        lock = file_lock.open_locked(folder / _LOCK, functools.partial(file_lock.lock, wait=False))
    except OSError:
        return 0
    try:
        size = _size_of(folder)
        shutil.rmtree(folder, ignore_errors=True)
        return size
    finally:
        os.close(lock)
