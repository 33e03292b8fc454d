"""Read files of a store by their places, from the cache or through it, in any order and from any thread."""

import threading
from collections.abc import Mapping

from ftdata.errors import UserError
from ftdata.inspection.reports import FileReport, Stamp
from ftdata.log import log
from ftdata.names import counted
from ftdata.remote import failures
from ftdata.remote.cache import Cache
from ftdata.remote.reader import RemoteReader
from ftdata.remote.remote_file import RemoteFile
from ftdata.remote.store import Store

_GIB = 2**30


class RemoteFiles(RemoteReader):
    """Reads files by the places that stand for them in a listing.

    Args:
      files: by place.
      store: that has them.
      cache: where they are kept.
    """

    def __init__(self, files: Mapping[str, RemoteFile], store: Store, cache: Cache):
        super().__init__(store)
        self._files, self._cache = dict(files), cache
        self._is_first, self._lock = True, threading.Lock()

    def notes(self) -> tuple[str, ...]:
        """A line where more is to be read than the cache takes."""
        size, limit = sum(file.size for file in self._files.values()), self._cache.limit
        if size <= limit:
            return ()
        return (
            f"warning: the images take {size / _GIB:.3g} GiB and the cache of remote files {limit / _GIB:.3g} "
            "(--remote_cache_gib): what has no room there is fetched whenever it is read",
        )

    def stamp(self, place: str) -> Stamp | FileReport:
        """What tells whether a file has changed, as `inspection` keeps it."""
        file = self._files[place]
        return Stamp(file.size, file.stamp)

    def read(self, place: str) -> bytes:
        """The bytes of a file, of the version that was listed.

        Raises:
          UserError: it has changed or is gone since then; the store gives no answer, or none to these credentials.
        """
        file = self._files[place]
        kept = self._cache.get(file)
        if kept is not None:
            return kept
        self._say_first()
        try:
            content = self._store.content(file)
        except failures.Changed:
            raise UserError(f"{file.url} has changed since it was listed: put it back, or start over") from None
        except failures.Gone:
            raise UserError(f"{file.url} is gone since it was listed: put it back, or start over") from None
        self._cache.put(file, content)
        return content

    def _say_first(self) -> None:
        """Says before the first file is fetched how many are."""
        with self._lock:
            if not self._is_first:
                return
            self._is_first = False
            self._cache.keep_only(self._files.values())
            lacking = [file for file in self._files.values() if not self._cache.has(file)]
            size = sum(file.size for file in lacking)
            log.info(f"  fetching {counted(len(lacking), 'file')} of {size / 2**20:,.1f} MiB into {self._cache.folder}")
