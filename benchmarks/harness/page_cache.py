"""Files out of the operating system's cache, so that the next read comes from the disk. Linux."""

import os
from collections.abc import Iterable


def evict(paths: Iterable[str]) -> None:
    """Drops the pages of files; those that a process maps at the moment stay."""
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(file)  # only clean pages go
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)
