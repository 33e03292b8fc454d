"""Where the files of a CSV lie: in a folder of this machine, or in one of a store. Standard library only."""

import dataclasses
import os
import stat
import urllib.parse
from collections.abc import Callable, Collection, Hashable, Mapping
from pathlib import Path
from typing import Protocol

from ftdata import address
from ftdata.errors import UserError


class Root(Protocol):
    """A folder in which files are found by names relative to it."""

    def expect(self, names: Collection[str]) -> None:
        """These names will be asked for."""
        ...

    def relative(self, name: str) -> str:
        """A name as a CSV has it -> the name relative to this folder, where the CSV has the whole of it."""
        ...

    def identity(self, name: str) -> Hashable | None:
        """What tells a file from others; None where there is none of that name."""
        ...

    def path(self, name: str) -> str:
        """Where the file of a name is."""
        ...


@dataclasses.dataclass(frozen=True)
class LocalRoot:
    """A folder of this machine."""

    folder: Path

    def expect(self, names: Collection[str]) -> None:
        """Nothing has to be asked for before."""

    def relative(self, name: str) -> str:
        """Raises UserError for an address."""
        if address.scheme_of(name) in address.STORES:
            raise UserError(
                f"labels_csv names {name}, which lies in no folder of this machine: give the address that its files "
                "have in common as --image_dir"
            )
        return name

    def identity(self, name: str) -> Hashable | None:
        """Device and number of the file: links to one file are one."""
        try:
            status = os.stat(self.folder / name)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            return None
        return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None

    def path(self, name: str) -> str:
        """A path."""
        return str(self.folder / name)


class StoredRoot:
    """A folder of a store.

    Args:
      url: of the folder.
      look_up: some names -> what tells the files of these names that are there.
    """

    def __init__(self, url: str, look_up: Callable[[Collection[str]], Mapping[str, Hashable]]):
        self.url, self._look_up = url, look_up
        self._known: Mapping[str, Hashable] = {}

    def expect(self, names: Collection[str]) -> None:
        """Asks for all of them at one time."""
        self._known = self._look_up([self.relative(name) for name in names])

    def relative(self, name: str) -> str:
        """Raises UserError for the address of a file elsewhere."""
        if address.scheme_of(name) is None:
            return name.removeprefix("./")
        if not address.whole(name).startswith(f"{self.url}/"):
            raise UserError(f"labels_csv names {name}, which does not lie below {self.url}")
        below = address.whole(name)[len(self.url) + 1 :]
        return urllib.parse.unquote(below) if self.url.startswith("http") else below

    def identity(self, name: str) -> Hashable | None:
        """As it was looked up."""
        return self._known.get(name)

    def path(self, name: str) -> str:
        """The place in a listing: the address of the folder, and the name as it is."""
        return f"{self.url}/{name}"
