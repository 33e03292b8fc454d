"""The two files of each store in a folder: their names and sizes, and which stores are removed to make room."""

import contextlib
import errno
import functools
import os
import time
from pathlib import Path

from ftdata import file_lock
from ftdata.log import log

_SHARE = 0.5  # of what a disk has free for stores, unless a limit is given
_GIB = 2**30
_OLD = (".uint8", ".lock", ".tmp")  # endings of what earlier versions of this program left there


def rows_of(path: Path) -> Path:
    """The file of a store's rows."""
    return path.with_suffix(".rows")


def index_of(path: Path) -> Path:
    """The file of the digests of a store's rows."""
    return path.with_suffix(".index")


def unlink(path: Path) -> None:
    """Removes the files of a store, whoever uses it: they can still be read through open descriptors."""
    for file in (index_of(path), rows_of(path)):
        with contextlib.suppress(OSError):
            file.unlink()


def size_of(folder: Path) -> int:
    """The bytes that the stores in a folder take."""
    return sum(_bytes(path) for path in folder.glob("*"))


def make_room(folder: Path, needed: int, *, limit_gib: float | None, keep: Path | None = None) -> None:
    """Removes the stores that were not used for the longest, until `needed` bytes more are within the limit.

    What a living process reads or writes stays, and so does the store `keep`. Files of earlier versions of this
    program go first. Logs what was freed.

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
        used, size = _last_use(store), _bytes(rows_of(store)) + _bytes(index_of(store))
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


def _last_use(path: Path) -> float:
    with contextlib.suppress(OSError):
        return index_of(path).stat().st_mtime
    return 0.0


def _remove(path: Path) -> bool:
    """Removes a store; False where somebody uses it."""
    try:
        rows = file_lock.open_locked(rows_of(path), functools.partial(file_lock.lock, wait=False), create=False)
    except OSError:
        return False
    unlink(path)
    os.close(rows)
    return True
