"""Arrays on disk, one for each image, found by the image's digest: what one run made, every other finds.

A store is two files: `<name>.rows`, one array behind the other, and `<name>.index`, the digest of each, 16 bytes, in
that order. Rows are added at the end and never change. They are written under a lock on the index, read at once, and
forced to disk by a thread that then adds their digests to the index: whatever a killed process leaves behind the last
digest is overwritten. The kernel releases the locks of a process that dies. Whoever reads rows holds a shared lock on
them, so that a store in use is not removed.
"""

import contextlib
import functools
import os
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ftdata import file_lock
from ftdata.cache import row_writer, store_files
from ftdata.cache.row_writer import Put


def open_rows(
    path: Path,
    digests: np.ndarray,
    *,
    shape: tuple[int, ...],
    dtype: type,
    make: Callable[[np.ndarray, Put], None],
    limit_gib: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of some images; those that the store lacks are made.

    Args:
      path: of the store, without an ending. Its folder is made if need be, and holds nothing but stores.
      digests: uint64 [n, 2], n > 0.
      shape: of a row.
      dtype: of a row.
      make: called as `make(missing, put)` with the places of images that are not there, int64 [m], different from
        each other; it calls `put(places, rows)` with places from 0 to m - 1, once for each.
      limit_gib: what all stores of the folder may take; by default half of what its disk has room for.

    Returns:
      All rows of the store, mapped, [r, *shape], and which are those of the images, int64 [n].

    Raises:
      OSError: no space, no permission.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    while True:
        rows = _open_for_use(path)
        try:
            being_kept = row_writer.current(path)
            index = being_kept.index if being_kept else _read_index(path, rows, size)
            found: np.ndarray | None = _find(index, digests)
            if found is not None and (found < 0).any():
                index, found = _complete(path, rows, digests, size, make, limit_gib)
            if found is not None:
                with contextlib.suppress(OSError):  # whose store somebody has removed
                    os.utime(store_files.index_of(path))
                return _map(os.dup(rows), len(index), shape, dtype), found
        finally:
            os.close(rows)


def missing(path: Path, digests: np.ndarray, *, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """The places of the images whose rows a store lacks now, int64 [m]; arguments as for `open_rows`."""
    writing = row_writer.current(path)
    if writing:
        return np.flatnonzero(_find(writing.index, digests) < 0)
    try:
        rows = os.open(store_files.rows_of(path), os.O_RDONLY)
    except FileNotFoundError:
        return np.arange(len(digests))
    try:
        index = _read_index(path, rows, int(np.prod(shape)) * np.dtype(dtype).itemsize)
    finally:
        os.close(rows)
    return np.flatnonzero(_find(index, digests) < 0)


def _complete(
    path: Path,
    rows: int,
    digests: np.ndarray,
    size: int,
    make: Callable[[np.ndarray, Put], None],
    limit_gib: float | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Makes what is missing; the index then and the places of the digests, None where the store is gone."""
    with row_writer.held(path) as writing:
        if not file_lock.is_at(rows, store_files.rows_of(path)):
            return writing.index, None
        if writing.holders == 1:  # what was read before the lock was taken may be less by now
            writing.index = _read_index(path, rows, size)
        found = _find(writing.index, digests)
        absent = np.flatnonzero(found < 0)
        lacking = np.sort(absent[np.unique(digests[absent, 0], return_index=True)[1]])
        if len(lacking):
            store_files.make_room(path.parent, len(lacking) * size, limit_gib=limit_gib, keep=path)

            def make_missing(put: Put) -> None:
                make(lacking, put)

            row_writer.add(path, rows, writing, digests[lacking], size, make_missing)
        return writing.index, _find(writing.index, digests)


def _open_for_use(path: Path) -> int:
    """The open rows, made if need be, with a lock that keeps them from being removed."""
    return file_lock.open_locked(store_files.rows_of(path), functools.partial(file_lock.lock, shared=True))


def _read_index(path: Path, rows: int, size: int) -> np.ndarray:
    """The digests of the rows that are kept, uint64 [m, 2]."""
    try:
        words = np.fromfile(store_files.index_of(path), np.uint64)
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
