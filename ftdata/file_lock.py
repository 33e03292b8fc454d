"""Locks on files that hold between processes (flock). The kernel releases those of a process that ends."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


def lock(descriptor: int, *, shared: bool = False, wait: bool = True) -> None:
    """Locks an open file until it is closed.

    Args:
      descriptor: of the open file.
      shared: whether others may hold a shared lock meanwhile.
      wait: whether to wait for others.

    Raises:
      BlockingIOError: somebody else holds it; only without `wait`.
      OSError: the file system has no locks.
    """
    fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))


def open_locked(path: Path, take: Callable[[int], None] = lock, *, create: bool = True) -> int:
    """Opens a file and locks it; once more if it was removed or replaced before the lock was there.

    Args:
      path: of the file.
      take: locks a descriptor, as `lock`.
      create: whether to make a file that is not there.

    Returns:
      The descriptor, to be closed by the caller.

    Raises:
      OSError: no such file, no permission, or what `take` raises.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o644)
        try:
            take(descriptor)
            if is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one that `path` names."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
