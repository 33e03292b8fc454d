"""A file of a store as it was when it was listed. Standard library only."""

import dataclasses
import hashlib


@dataclasses.dataclass(frozen=True, slots=True)
class RemoteFile:
    """Its address, its size in bytes, and what the store says of its version: an ETag, a generation, a date."""

    url: str
    size: int
    version: str

    @property
    def key(self) -> str:
        """Names these contents: `place`, then 16 hexadecimal digits of the version."""
        return self.place + _digits(f"{self.url}\0{self.size}\0{self.version}")

    @property
    def place(self) -> str:
        """Names the file whatever it holds: 16 hexadecimal digits."""
        return _digits(self.url)

    @property
    def stamp(self) -> int:
        """Stands for a time of change, where one is kept: below 2^63."""
        return int(self.key[-15:], 16)


def _digits(words: str) -> str:
    return hashlib.blake2b(words.encode(errors="surrogateescape"), digest_size=8).hexdigest()
