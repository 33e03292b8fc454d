"""An image file that was read and whose header is of a sane size: what is left is to decode it."""

import dataclasses
import hashlib

from ftdata.decoding import headers, jpeg, npy_header, transcoding
from ftdata.decoding.foreign_header import ForeignHeader, wrong_channels
from ftdata.decoding.npy_header import NpyHeader
from ftdata.errors import UserError
from ftdata.inspection.reports import FileReport


@dataclasses.dataclass(frozen=True)
class Opened:
    """A file's bytes and header, ready to be decoded; `memory` is what that takes, in bytes."""

    path: str
    encoded: bytes
    header: headers.Header | ForeignHeader | NpyHeader
    digest: str
    plain: bool
    channels: int = 3

    @classmethod
    def of(cls, path: str, encoded: bytes, *, foreign: bool = True, channels: int = 3) -> "Opened":
        """Raises UserError as `headers.read`; with `foreign`, formats of `transcoding` are taken too, where read.

        With other `channels` than 3, TIFF and .npy files of so many are taken, and nothing else.
        """
        digest = hashlib.blake2b(encoded, digest_size=16).hexdigest()
        if channels != 3:
            return cls(path, encoded, _of_channels(encoded, channels), digest, plain=False, channels=channels)
        if foreign and transcoding.is_foreign(encoded):
            return cls(path, encoded, transcoding.header(encoded), digest, plain=False)
        return cls(path, encoded, headers.read(encoded), digest, jpeg.is_plain_jpeg(encoded))

    @property
    def is_foreign(self) -> bool:
        """Whether it has to be transcoded."""
        return isinstance(self.header, ForeignHeader)

    @property
    def is_whole(self) -> bool:
        """Whether its header has said all there is to say: there is nothing to decode in a .npy file."""
        return isinstance(self.header, NpyHeader)

    def report(self, reason: str | None = None) -> FileReport:
        """With the reason why it cannot be used, if there is one."""
        several = isinstance(self.header, ForeignHeader) and self.header.has_several
        return FileReport(
            self.digest, reason, plain=self.plain, foreign=self.is_foreign, several=several, pixels=self.header.pixels
        )

    def transcoded(self) -> FileReport:
        """Decodes a foreign file: the report of what was found."""
        try:
            transcoding.samples(self.encoded, self.channels)
        except UserError as reason:
            return self.report(str(reason))
        return self.report()

    @property
    def memory(self) -> int:
        """Measured: 0.2 bytes a pixel for a baseline JPEG at an eighth, 12 for a BMP of 32 bits, up to 6 for others."""
        if isinstance(self.header, ForeignHeader):
            return self.header.pixel_bytes * self.header.pixels
        if isinstance(self.header, NpyHeader):
            return 0  # it is not decoded: all of it was read and counted
        if self.header.format == "JPEG":
            return self.header.pixels // 4
        return (12 if self.header.format == "BMP" else 6) * self.header.pixels


def _of_channels(encoded: bytes, channels: int) -> ForeignHeader | NpyHeader:
    if npy_header.is_npy(encoded):
        return npy_header.read(encoded, channels)
    if transcoding.is_foreign(encoded):
        return transcoding.header(encoded, channels)
    found = headers.read(encoded)
    raise UserError(f"{wrong_channels(3, channels)} ({found.format} is read as RGB)")
