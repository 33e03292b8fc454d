"""What reads images of a store by their places: one, or a batch side by side, as operations too."""

import abc

from ftdata.decoding import reading
from ftdata.inspection.reports import FileReport, Stamp
from ftdata.remote.store import AT_ONCE, Store


class RemoteReader(reading.Together):
    """Reads images by places; `at_once` are best read at one time.

    Args:
      store: that has them.
    """

    at_once: int | None = AT_ONCE

    def __init__(self, store: Store):
        self._store = store

    @abc.abstractmethod
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how they are read."""

    @abc.abstractmethod
    def stamp(self, place: str) -> Stamp | FileReport:
        """What tells whether an image has changed, as `inspection` keeps it."""

    @abc.abstractmethod
    def read(self, place: str) -> bytes:
        """The bytes of an image, from any thread.

        Raises:
          UserError: it has changed or is gone since it was listed; the store gives no answer, or none to these
            credentials.
        """

    def read_all(self, places: list[str]) -> list[bytes]:
        """They are read side by side."""
        return list(self._store.many(self.read, places))
