"""Whole files of a store in a folder of this machine, under their own names: a CSV, and shards, which are indexed.

They are fetched in pieces, each tried again by itself, into the cache; the folder `view` beside it has a link to each
under its name. All have to fit the bound of the cache.
"""

import concurrent.futures
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ftdata import address, atomic, file_lock
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


def mirrored(files: Mapping[str, RemoteFile], store: Store, cache: Cache) -> Path:
    """Fetches what is not there yet; the folder that has all these files under their names.

    Raises:
      UserError: they do not fit the cache; as `Store.content`.
      OSError: no room on the disk.
    """
    for name, file in files.items():
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise UserError(f"{file.url} cannot be copied under its name, which is none of a file: rename it")
    lacking = [file for file in dict.fromkeys(files.values()) if not cache.has(file)]
    if lacking:
        cache.keep_only(files.values())
        _fetch(lacking, store, cache, of=sum(file.size for file in files.values()))
    view = cache.folder / "view"
    lock = file_lock.open_locked(cache.folder / "view.lock")
    try:
        wanted = {view / name: cache.path(file) for name, file in files.items()}
        for link, target in wanted.items():
            _point(link, target)
        for link in view.rglob("*"):
            if link.is_symlink() and link not in wanted:
                link.unlink(missing_ok=True)
    finally:
        os.close(lock)
    return view


def _fetch(files: Sequence[RemoteFile], store: Store, cache: Cache, *, of: int) -> None:
    size = sum(file.size for file in files)
    if size > 2**20:
        log.info(f"  fetching {counted(len(files), 'file')} of {size / 2**20:,.1f} MiB into {cache.folder}")
    if not cache.reserve(size):
        raise UserError(
            f"the {counted(len(files), 'file')} such as {files[0].url} must be on this machine as a whole, which takes "
            f"{of / _GIB:.3g} GiB, and the cache of remote files has room for {cache.limit / _GIB:.3g}: raise "
            "--remote_cache_gib, or name another --data_dir"
        )
    with concurrent.futures.ThreadPoolExecutor(_FILES_AT_ONCE) as fetching:
        for done in [fetching.submit(_fetch_one, file, store, cache) for file in files]:
            try:
                done.result()
            except BaseException:
                fetching.shutdown(wait=False, cancel_futures=True)
                raise


def _fetch_one(file: RemoteFile, store: Store, cache: Cache) -> None:
    def fill(path: Path) -> None:
        with path.open("wb") as stream:
            while stream.tell() < file.size:
                start = stream.tell()
                stream.write(store.content(file, start, min(file.size, start + _PIECE)))

    try:
        atomic.write(cache.path(file), fill)
    except (failures.Changed, failures.Gone) as what:
        now = "has changed" if isinstance(what, failures.Changed) else "is gone"
        raise UserError(f"{file.url} {now} since it was listed: start again") from None


def _point(link: Path, target: Path) -> None:
    with contextlib.suppress(OSError):
        if os.readlink(link) == str(target):
            return
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = atomic.temporary_name(link)
    temporary.symlink_to(target)
    os.replace(temporary, link)


def one(url: str, store: Store, cache: Cache) -> Path:
    """A single file, such as a CSV, on this machine.

    Raises:
      UserError: there is none; as `mirrored`.
    """
    try:
        file = store.describe(url)
    except failures.Gone:
        raise UserError(f"there is no file {url}") from None
    name = address.whole(url).rpartition("/")[2]
    return mirrored({name: file}, store, cache) / name
