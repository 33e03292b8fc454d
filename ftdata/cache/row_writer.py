"""Rows that this process adds to stores: readable at once, forced to disk by a thread, and only then named.

They are written under a lock on the index. Whatever a killed process leaves behind the last digest is overwritten.
"""

import contextlib
import dataclasses
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ftdata import file_lock
from ftdata.cache import store_files
from ftdata.log import log

_DIGEST = 16  # bytes

Put = Callable[[np.ndarray, np.ndarray], None]  # places, int [k], and what belongs there


@dataclasses.dataclass
class Writing:
    """What this process has written to a store and not yet kept; the lock is held until all is.

    `index` has the digests of all rows, uint64 [m, 2], those included that are not kept yet.
    """

    lock: contextlib.ExitStack
    index: np.ndarray
    keeper: threading.Thread | None = None
    holders: int = 1


_writing: dict[Path, Writing] = {}
_guard = threading.Lock()


def current(path: Path) -> Writing | None:
    """What this process is writing to a store; None if nothing."""
    return _writing.get(path)


def wait_until_kept() -> None:
    """Returns when what this process made is safe on the disk, and the next run will find it."""
    for writing in list(_writing.values()):
        if writing.keeper:
            writing.keeper.join()


@contextlib.contextmanager
def held(path: Path) -> Iterator[Writing]:
    """The lock on the index while the block runs, and longer where rows are still to be kept."""
    with _guard:
        writing = _writing.get(path)
        if writing:
            writing.holders += 1
    if writing is None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_locked(path))
            writing = _writing[path] = Writing(stack.pop_all(), np.zeros((0, 2), np.uint64))
    try:
        yield writing
    finally:
        _let_go(path, writing)


def add(path: Path, rows: int, writing: Writing, new: np.ndarray, size: int, make: Callable[[Put], None]) -> None:
    """Adds rows to a store that is `held`.

    Args:
      path: of the store.
      rows: the descriptor of its rows.
      writing: what `held` gave.
      new: digests of the rows to add, uint64 [k, 2].
      size: bytes of a row.
      make: called with a function that stores rows at places from 0 to k - 1.

    Raises:
      OSError: no space; nothing was added then, nor if `make` raises.
    """
    first = len(writing.index)
    try:
        os.posix_fallocate(rows, first * size, len(new) * size)  # no space is an error here, and not in the middle

        def put(places: np.ndarray, arrays: np.ndarray) -> None:
            for place, array in zip(places.tolist(), arrays, strict=True):
                # no mapping: a page that is written whole need not be mapped, cleared and found dirty
                if os.pwrite(rows, array, (first + place) * size) != size:
                    raise OSError(errno.ENOSPC, "no space left for the disk cache", str(path))

        make(put)
    except BaseException:
        os.ftruncate(rows, first * size)  # nobody else has come to know of these rows
        if not first:
            store_files.unlink(path)
        raise
    writing.index = np.concatenate([writing.index, new])
    with _guard:
        writing.holders += 1
    keeper = threading.Thread(target=_keep, args=(path, os.dup(rows), writing, first, new, writing.keeper))
    writing.keeper = keeper
    keeper.start()  # no daemon: Python waits for it at the end


def _keep(
    path: Path, rows: int, writing: Writing, first: int, new: np.ndarray, before: threading.Thread | None
) -> None:
    """Forces rows to disk and only then names them, while they are read already."""
    try:
        if before:
            before.join()
        os.fsync(rows)
        if not file_lock.is_at(rows, store_files.rows_of(path)):
            return  # a store that is gone is not missed
        with store_files.index_of(path).open("r+b") as stream:
            stream.seek(first * _DIGEST)
            stream.truncate()
            stream.write(new.tobytes())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        store_files.unlink(path)  # this process still reads them; others must not write over what it reads
        with _guard:
            _writing.pop(path, None)
        log.info(f"note: the next run makes it again, {path.parent} cannot keep it: {error.strerror}")
    finally:
        os.close(rows)
        _let_go(path, writing)


def _let_go(path: Path, writing: Writing) -> None:
    with _guard:
        writing.holders -= 1
        if not writing.holders:
            if _writing.get(path) is writing:
                del _writing[path]
            writing.lock.close()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    def take(descriptor: int) -> None:
        try:
            file_lock.lock(descriptor, wait=False)
        except BlockingIOError:
            log.info(f"another process is filling the same cache ({path.parent}): waiting for it")
            file_lock.lock(descriptor)

    descriptor = file_lock.open_locked(store_files.index_of(path), take)
    try:
        yield
    finally:
        os.close(descriptor)
