"""The reading of image files where some are of the formats of `transcoding`, as graph operations around a Python one.

It takes the place of `tf.io.read_file` only where a data set has such files, so that for all others graphs stay as
they are. A graph with it runs in the process that built it and in no other.
"""

import abc
import dataclasses
import functools
import os
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from ftdata.decoding import bytestring, foreign, transcoding
from ftdata.errors import UserError

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ISO = b"ftyp"

Read = Callable[[tf.Tensor], tf.Tensor]


class Together(abc.ABC):
    """Reads images by their places with Python, many in a call: a call takes longer than most reads."""

    @abc.abstractmethod
    def read_all(self, places: list[str]) -> list[bytes]:
        """The bytes of images, from any thread."""

    def __call__(self, place: tf.Tensor) -> tf.Tensor:
        """As an operation: scalar string -> scalar string; its errors are InvalidArgumentError."""
        return tf.ensure_shape(self.many(place[None])[0], [])

    def many(self, places: tf.Tensor) -> tf.Tensor:
        """The same of many places: string [b] -> string [b]."""
        return tf.ensure_shape(tf.numpy_function(self._read_many, [places], tf.string), places.shape)

    def _read_many(self, places: np.ndarray) -> np.ndarray:
        read = self.read_all([os.fsdecode(place) for place in places.tolist()])
        return np.array([*read, None], object)[:-1]  # None: numpy asks no lengths


def reader(paths: Iterable[str], channels: int = 3) -> Read:
    """What reads these files: `tf.io.read_file`, transcoding where one of them needs it."""
    return Transcoding(tf.io.read_file, channels) if any(map(_is_foreign, paths)) else tf.io.read_file


def _is_foreign(path: str) -> bool:
    try:
        with open(path, "rb") as stream:
            return transcoding.is_foreign(stream.read(foreign.HEAD))
    except OSError:
        return False


@dataclasses.dataclass(frozen=True)
class Transcoding:
    """Reads an image as `read` does, and makes a BMP of it (of other `channels` than 3 a .npy file) where its format is
    a foreign one; scalar strings all.

    Raises:
      tf.errors.OpError: as `read`.
      tf.errors.InvalidArgumentError: as `transcoding.decodable`.
    """

    read: Read
    channels: int = 3

    def __call__(self, place: tf.Tensor) -> tf.Tensor:
        """The bytes of the image at a place."""
        return decodable(self.read(place), self.channels)


def together(files: tf.Tensor, read: Read) -> tuple[tf.Tensor, Read]:
    """Reads many files at one time where that is how they are read best: what lies in a store.

    Args:
      files: string [b], what `read` reads.
      read: of one file. One with a method `many`, string [b] -> string [b], is read so.

    Returns:
      What was read, string [b], and what is left to be done with each; the arguments where nothing was.
    """
    if isinstance(read, Transcoding):
        files, rest = together(files, read.read)
        return files, Transcoding(rest, read.channels)
    many = getattr(read, "many", None)
    return (files, read) if many is None else (many(files), tf.identity)


@tf.autograph.experimental.do_not_convert
def decodable(encoded: tf.Tensor, channels: int = 3) -> tf.Tensor:
    """Bytes of any readable format, a scalar string -> bytes that `decode` reads, the same ones if it does."""
    is_tiff = tf.reduce_any(bytestring.cut(encoded, 0, 4) == tf.constant(_TIFF))
    is_foreign = is_tiff | (bytestring.cut(encoded, 4, 4) == _ISO)
    return tf.cond(is_foreign, lambda: _transcoded(encoded, channels), lambda: encoded)


def _transcoded(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    convert = functools.partial(_try, channels)
    made, reason = tf.numpy_function(convert, [encoded], (tf.string, tf.string), stateful=False)
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(reason, b""), [reason])]):
        return tf.ensure_shape(tf.identity(made), [])


def _try(channels: int, encoded: bytes | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The file and no reason, or nothing and the reason; outside a graph the bytes come in an array."""
    content: bytes = np.asarray(encoded, object).item()
    try:
        return np.array(transcoding.decodable(content, channels), object), np.array(b"", object)
    except UserError as reason:
        return np.array(b"", object), np.array(os.fsencode(str(reason)), object)
