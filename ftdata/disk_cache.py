"""Decoded pictures in a mapped file, made once and used by every later run.

The file's name is a digest of what it was made from: the pictures' names, sizes and times, the decode settings
and the versions. It is filled under another name, forced to disk and renamed, under a lock that the kernel
releases if the process dies: a reader sees a whole file or none, and of two runs that start together one
decodes and the other waits.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from ftdata.config import DataConfig
from ftdata.decode import Decoding
from ftdata.encoded import Split

# Raise this when the decoder's pixels change: files made before are not used any more.
_DECODER_VERSION = 2


def mapped(
    split: Split, config: DataConfig, *, folder: Path, fill: Callable[[np.ndarray, Split, DataConfig], None]
) -> np.ndarray:
    """The decoded pictures of `split`, uint8 [n, side, side, 3], mapped from a file in `folder`.

    Args:
      split: n pictures, n > 0.
      config: decode settings.
      folder: where the files lie; made if need be.
      fill: decodes a split into an array.

    Raises:
      OSError: no space, no permission.
      ValueError: as `fill`.
    """
    side = config.image_size
    assert side is not None, "image_size is set before the cache is filled"
    shape = (len(split), side, side, 3)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key(split, config)}.uint8"
    with _locked(path.with_suffix(".lock")):
        if not path.exists():
            _remove_leftovers(path)
            _write(path, shape, lambda images: fill(images, split, config))
    # private pages that nobody writes to: they stay the file's, can be dropped, and are no copy
    return np.memmap(path, np.uint8, mode="c", shape=shape)


def key(split: Split, config: DataConfig) -> str:
    """The name of what `mapped` makes."""
    made_with = (Decoding.of(config), _DECODER_VERSION, tf.__version__)
    return hashlib.sha256(f"{split.fingerprint()} {made_with}".encode()).hexdigest()[:32]


def _write(path: Path, shape: tuple[int, ...], fill: Callable[[np.ndarray], None]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    size = int(np.prod(shape))
    try:
        with temporary.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, size)  # no space is an error here, not a fault while writing
        images = np.memmap(temporary, np.uint8, mode="r+", shape=shape)
        fill(images)
        images.flush()
        del images
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Removes what killed processes left of this file; under the lock nobody else is writing it."""
    for leftover in path.parent.glob(f"{path.stem}.*.tmp"):
        leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another run is filling the same cache ({path.parent}): waiting for it", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
