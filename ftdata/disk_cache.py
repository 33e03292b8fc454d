"""Decoded pictures in a mapped file, made once and used by every later run.

The file's name is a digest of what it was made from: the pictures' names, sizes and times, the decode settings
and the versions. It is filled under another name, then read at once, while a thread forces it to disk and
renames it; all under a lock that the kernel releases if the process dies: another run sees a whole file or none,
and of two that start together one decodes and the other waits.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from ftdata.config import DataConfig
from ftdata.decode import Decoding
from ftdata.encoded import Split
from ftdata.filling import Store

# Raise this when the decoder's pixels change: files made before are not used any more.
_DECODER_VERSION = 2
_keepers: dict[Path, threading.Thread] = {}


def mapped(
    split: Split, config: DataConfig, *, folder: Path, fill: Callable[[Store, Split, DataConfig], None]
) -> np.ndarray:
    """The decoded pictures of `split`, uint8 [n, side, side, 3], mapped from a file in `folder`.

    Args:
      split: n pictures, n > 0.
      config: decode settings.
      folder: where the files lie; made if need be.
      fill: decodes a split, as `filling.fill`.

    Raises:
      OSError: no space, no permission.
      ValueError: as `fill`.
    """
    side = config.image_size
    assert side is not None, "image_size is set before the cache is filled"
    shape = (len(split), side, side, 3)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key(split, config)}.uint8"
    if path in _keepers:
        _keepers[path].join()
    with contextlib.ExitStack() as lock:
        lock.enter_context(_locked(path.with_suffix(".lock")))
        if path.exists():
            return _map(path, shape)
        _remove_leftovers(path)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            _write(temporary, shape, lambda store: fill(store, split, config))
            images = _map(temporary, shape)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _keepers[path] = threading.Thread(target=_keep, args=(temporary, path, lock.pop_all()))
        _keepers[path].start()  # no daemon: Python waits for it at the end
        return images


def wait_until_kept() -> None:
    """Returns when what this process decoded is safe on the disk, and the next run will find it."""
    for keeper in _keepers.values():
        keeper.join()


def key(split: Split, config: DataConfig) -> str:
    """The name of what `mapped` makes."""
    made_with = (Decoding.of(config), _DECODER_VERSION, tf.__version__)
    return hashlib.sha256(f"{split.fingerprint()} {made_with}".encode()).hexdigest()[:32]


def _map(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    # private pages that nobody writes to: they stay the file's, can be dropped, and are no copy
    return np.memmap(path, np.uint8, mode="c", shape=shape)


def _write(path: Path, shape: tuple[int, ...], fill: Callable[[Store], None]) -> None:
    """Writes instead of mapping: a page that is written whole need not be mapped, cleared and found dirty."""
    picture = int(np.prod(shape[1:]))
    with path.open("wb") as stream:
        file = stream.fileno()
        os.posix_fallocate(file, 0, shape[0] * picture)  # no space is an error here, and not in the middle

        def store(places: np.ndarray, pictures: np.ndarray) -> None:
            for place, pixels in zip(places.tolist(), pictures, strict=True):
                written = os.pwrite(file, pixels, place * picture)
                if written != picture:
                    raise OSError(errno.ENOSPC, "no space left for decoded pictures", str(path))

        fill(store)


def _keep(temporary: Path, path: Path, lock: contextlib.ExitStack) -> None:
    """Forces the file to disk and renames it, while it is read already; a file that is gone is not missed."""
    with lock, contextlib.suppress(FileNotFoundError):
        try:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            print(f"note: the next run decodes again, {path.parent} cannot keep it: {error.strerror}", flush=True)


def _remove_leftovers(path: Path) -> None:
    """Removes what killed processes left of this file; under the lock nobody else is writing it."""
    for leftover in path.parent.glob(f"{path.stem}.*.tmp"):
        leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another run is filling the same cache ({path.parent}): waiting for it", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
