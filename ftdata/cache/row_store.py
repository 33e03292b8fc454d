"""Arrays on disk, one for each picture, found by the picture's digest: what one run made, every other finds.

A store is two files: `<name>.rows`, one array behind the other, and `<name>.index`, the digest of each, 16 bytes, in
that order. Rows are added at the end and never change. They are written under a lock on the index, read at once, and
forced to disk by a thread that then adds their digests to the index: whatever a killed process leaves behind the last
digest is overwritten. The kernel releases the locks of a process that dies. Whoever reads rows holds a shared lock on
them, so that a store in use is not removed.
"""

import contextlib
import dataclasses
import errno
import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ftdata import file_lock
from ftdata.log import log

_DIGEST = 16  # bytes
_SHARE = 0.5  # of what a disk has free for stores, unless a limit is given
_GIB = 2**30
_OLD = (".uint8", ".lock", ".tmp")  # endings of what earlier versions of this program left there

Put = Callable[[np.ndarray, np.ndarray], None]  # places, int [k], and what belongs there


@dataclasses.dataclass
class _Writing:
    """Rows of a store that this process has written and not yet kept; the lock is held until all are."""

    lock: contextlib.ExitStack
    index: np.ndarray
    keeper: threading.Thread | None = None
    holders: int = 1


_writing: dict[Path, _Writing] = {}
_guard = threading.Lock()


def open_rows(
    path: Path,
    digests: np.ndarray,
    *,
    shape: tuple[int, ...],
    dtype: type,
    make: Callable[[np.ndarray, Put], None],
    limit_gib: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of some pictures; those that the store lacks are made.

    Args:
      path: of the store, without an ending. Its folder is made if need be, and holds nothing but stores.
      digests: uint64 [n, 2], n > 0.
      shape: of a row.
      dtype: of a row.
      make: called as `make(missing, put)` with the places of pictures that are not there, int64 [m], different from
        each other; it calls `put(places, rows)` with places from 0 to m - 1, once for each.
      limit_gib: what all stores of the folder may take; by default half of what its disk has room for.

    Returns:
      All rows of the store, mapped, [r, *shape], and which are those of the pictures, int64 [n].

    Raises:
      OSError: no space, no permission.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    while True:
        rows = _open_for_use(path)
        try:
            being_kept = _writing.get(path)
            index = being_kept.index if being_kept else _read_index(path, rows, size)
            found: np.ndarray | None = _find(index, digests)
            if found is not None and (found < 0).any():
                index, found = _complete(path, rows, digests, size, make, limit_gib)
            if found is not None:
                with contextlib.suppress(OSError):  # whose store somebody has removed
                    os.utime(_index(path))
                return _map(os.dup(rows), len(index), shape, dtype), found
        finally:
            os.close(rows)


def _complete(
    path: Path,
    rows: int,
    digests: np.ndarray,
    size: int,
    make: Callable[[np.ndarray, Put], None],
    limit_gib: float | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Makes what is missing; the index then and the places of the digests, None where the store is gone."""
    with _held(path) as writing:
        if not file_lock.is_at(rows, path.with_suffix(".rows")):
            return writing.index, None
        if writing.holders == 1:  # what was read before the lock was taken may be less by now
            writing.index = _read_index(path, rows, size)
        found = _find(writing.index, digests)
        absent = np.flatnonzero(found < 0)
        missing = np.sort(absent[np.unique(digests[absent, 0], return_index=True)[1]])
        if len(missing):
            make_room(path.parent, len(missing) * size, limit_gib=limit_gib, keep=path)

            def make_missing(put: Put) -> None:
                make(missing, put)

            _add(path, rows, writing, digests[missing], size, make_missing)
        return writing.index, _find(writing.index, digests)


def wait_until_kept() -> None:
    """Returns when what this process made is safe on the disk, and the next run will find it."""
    for writing in list(_writing.values()):
        if writing.keeper:
            writing.keeper.join()


def size_of(folder: Path) -> int:
    """The bytes that the stores in a folder take."""
    return sum(_bytes(path) for path in folder.glob("*"))


def make_room(folder: Path, needed: int, *, limit_gib: float | None, keep: Path | None = None) -> None:
    """Removes the stores that were not used for the longest, until `needed` bytes more are within the limit.

    What a living process reads or writes stays, and so does the store `keep`. Files of earlier versions of this
    program go first. Says what was freed, in a line.

    Raises:
      OSError: the limit was given and is too small.
    """
    old = [path for path in folder.glob("*") if path.suffix in _OLD]
    freed = sum(map(_bytes, old))
    for path in old:
        path.unlink(missing_ok=True)
    held, disk = size_of(folder), os.statvfs(folder)
    limit = _SHARE * (disk.f_bavail * disk.f_frsize + held) if limit_gib is None else limit_gib * _GIB
    by_age = sorted((rows.with_suffix("") for rows in folder.glob("*.rows")), key=_last_use)
    since = None
    for store in by_age:
        if held + needed <= limit:
            break
        used, size = _last_use(store), _bytes(store.with_suffix(".rows")) + _bytes(_index(store))
        if store != keep and _remove(store):
            held, freed, since = held - size, freed + size, time.localtime(used)
    if freed:
        why = f"not used since {time.strftime('%Y-%m-%d %H:%M', since)}" if since else "of an earlier version"
        log.info(f"  cache: freed {freed / 2**20:,.0f} MiB in {folder}, {why}")
    if limit_gib is not None and held + needed > limit:
        asked = f"{(held + needed) / _GIB:.2f} GiB are needed, and disk_cache_gib={limit_gib:g}"
        raise OSError(errno.ENOSPC, f"{asked}: raise it, or choose another --cache", str(folder))


def _bytes(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _index(path: Path) -> Path:
    return path.with_suffix(".index")


def _last_use(path: Path) -> float:
    with contextlib.suppress(OSError):
        return _index(path).stat().st_mtime
    return 0.0


def _open_for_use(path: Path) -> int:
    """The open rows, made if need be, with a lock that keeps them from being removed."""
    return file_lock.open_locked(path.with_suffix(".rows"), functools.partial(file_lock.lock, shared=True))


def _read_index(path: Path, rows: int, size: int) -> np.ndarray:
    """The digests of the rows that are kept, uint64 [m, 2]."""
    try:
        words = np.fromfile(_index(path), np.uint64)
    except FileNotFoundError:
        words = np.zeros(0, np.uint64)
    return words[: len(words) // 2 * 2].reshape(-1, 2)[: os.fstat(rows).st_size // size]


def _find(index: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """The place of each digest in the index, -1 where it is not there: int64 [n]."""
    if not len(index):
        return np.full(len(digests), -1)
    order = np.argsort(index[:, 0], kind="stable")
    rising = np.argsort(digests[:, 0], kind="stable")  # looked up in this order, a million take a tenth of the time
    place = np.zeros(len(digests), np.int64)
    place[rising] = np.searchsorted(index[order, 0], digests[rising, 0])
    place = order[np.minimum(place, len(order) - 1)]
    return np.where((index[place] == digests).all(axis=1), place, -1)


def _map(rows: int, count: int, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Maps the rows; the file stays open, and in use, as long as the array lives."""
    # private pages that nobody writes to: they stay the file's, can be dropped, and are no copy
    with open(rows, "rb", closefd=False) as stream:
        array = np.memmap(stream, dtype, mode="c", shape=(count, *shape))
    weakref.finalize(array, os.close, rows)
    return array


@contextlib.contextmanager
def _held(path: Path) -> Iterator[_Writing]:
    """The lock on the index while the block runs, and longer where rows are still to be kept."""
    with _guard:
        writing = _writing.get(path)
        if writing:
            writing.holders += 1
    if writing is None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_locked(path))
            writing = _writing[path] = _Writing(stack.pop_all(), np.zeros((0, 2), np.uint64))
    try:
        yield writing
    finally:
        _let_go(path, writing)


def _let_go(path: Path, writing: _Writing) -> None:
    with _guard:
        writing.holders -= 1
        if not writing.holders:
            if _writing.get(path) is writing:
                del _writing[path]
            writing.lock.close()


def _add(path: Path, rows: int, writing: _Writing, new: np.ndarray, size: int, make: Callable[[Put], None]) -> None:
    """Writes instead of mapping: a page that is written whole need not be mapped, cleared and found dirty."""
    first = len(writing.index)
    try:
        os.posix_fallocate(rows, first * size, len(new) * size)  # no space is an error here, and not in the middle

        def put(places: np.ndarray, arrays: np.ndarray) -> None:
            for place, array in zip(places.tolist(), arrays, strict=True):
                if os.pwrite(rows, array, (first + place) * size) != size:
                    raise OSError(errno.ENOSPC, "no space left for decoded pictures", str(path))

        make(put)
    except BaseException:
        os.ftruncate(rows, first * size)  # nobody else has come to know of these rows
        if not first:
            _unlink(path)
        raise
    writing.index = np.concatenate([writing.index, new])
    with _guard:
        writing.holders += 1
    keeper = threading.Thread(target=_keep, args=(path, os.dup(rows), writing, first, new, writing.keeper))
    writing.keeper = keeper
    keeper.start()  # no daemon: Python waits for it at the end


def _keep(
    path: Path, rows: int, writing: _Writing, first: int, new: np.ndarray, before: threading.Thread | None
) -> None:
    """Forces rows to disk and only then names them, while they are read already."""
    try:
        if before:
            before.join()
        os.fsync(rows)
        if not file_lock.is_at(rows, path.with_suffix(".rows")):
            return  # a store that is gone is not missed
        with _index(path).open("r+b") as stream:
            stream.seek(first * _DIGEST)
            stream.truncate()
            stream.write(new.tobytes())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        _unlink(path)  # this process goes on reading; others must not write over what it reads
        with _guard:
            _writing.pop(path, None)
        log.info(f"note: the next run decodes again, {path.parent} cannot keep it: {error.strerror}")
    finally:
        os.close(rows)
        _let_go(path, writing)


def _remove(path: Path) -> bool:
    """Removes a store; False where somebody uses it."""
    try:
        rows = file_lock.open_locked(
            path.with_suffix(".rows"), functools.partial(file_lock.lock, wait=False), create=False
        )
    except OSError:
        return False
    _unlink(path)
    os.close(rows)
    return True


def _unlink(path: Path) -> None:
    for file in (_index(path), path.with_suffix(".rows")):
        with contextlib.suppress(OSError):
            file.unlink()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    def take(descriptor: int) -> None:
        try:
            file_lock.lock(descriptor, wait=False)
        except BlockingIOError:
            log.info(f"another run is filling the same cache ({path.parent}): waiting for it")
            file_lock.lock(descriptor)

    descriptor = file_lock.open_locked(_index(path), take)
    try:
        yield
    finally:
        os.close(descriptor)
