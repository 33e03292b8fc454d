"""Read an image out of a shard that lies in a store: out of the copy on this machine, else that range of it alone."""

from ftdata.inspection.reports import FileReport, Stamp
from ftdata.names import counted
from ftdata.records.reading import RecordReader, parts_of
from ftdata.remote.copies import Copies
from ftdata.remote.reader import RemoteReader
from ftdata.remote.remote_file import RemoteFile


class RemoteRecords(RemoteReader):
    """Reads images by their places, as RecordReader; `files` are the addresses of the shards.

    Args:
      copies: of the shards.
      lacking: those that had no room.
      unpacked: reads what was copied out of shards onto the disk.
    """

    def __init__(self, copies: Copies, lacking: tuple[RemoteFile, ...], unpacked: RecordReader):
        super().__init__(copies.store)
        self._copies, self._lacking, self._unpacked = copies, lacking, unpacked
        self.files = tuple(copies.files)

    def notes(self) -> tuple[str, ...]:
        """A line where shards are not kept."""
        if not self._lacking:
            return ()
        size, limit = sum(file.size for file in self._copies.files.values()), self._copies.cache.limit
        return (
            f"warning: the shards take {size / 2**30:.3g} GiB and the cache of remote files {limit / 2**30:.3g} "
            f"(--remote_cache_gib): the images of {counted(len(self._lacking), 'shard')} are fetched one by one "
            "whenever they are read",
        )

    def stamp(self, place: str) -> Stamp | FileReport:
        """What tells whether the image has changed, as `inspection` keeps it."""
        path, _, length = parts_of(place)
        if path not in self._copies.files:
            return self._unpacked.stamp(place)
        return Stamp(length, self._copies.files[path].stamp)

    def read(self, place: str) -> bytes:
        """The bytes of an image.

        Raises:
          UserError: the shard has changed or is gone since it was listed; as `Store.content`.
        """
        path, offset, length = parts_of(place)
        if path not in self._copies.files:
            return self._unpacked.read(place)
        return self._copies.part(path, offset, offset + length)
