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
        """Names these contents: 32 hexadecimal digits."""
        words = f"{self.url}\0{self.size}\0{self.version}".encode(errors="surrogateescape")
        return hashlib.blake2b(words, digest_size=16).hexdigest()
