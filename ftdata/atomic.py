"""Files that appear whole or not at all: written under a temporary name, forced to disk, renamed."""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any


def temporary_name(path: Path) -> Path:
    """A new name for a file or folder while it is made: beside `path`, with its suffix, which Keras reads."""
    return path.with_name(f".tmp-{secrets.token_hex(4)}-{path.name}")


def write(path: Path, fill: Callable[[Path], Any]) -> None:
    """Lets `fill` write a temporary file, then renames it to `path`, whose folder is made if need be.

    Raises:
      OSError: no space, no permission; what was at `path` is still there.
    """
    temporary = temporary_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        fill(temporary)
        force_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def force_to_disk(path: Path) -> None:
    """Returns when the content of a file, or the names in a folder, would survive a power cut.

    Of a folder as far as its file system can tell: some, such as old CIFS, do not force folders.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(descriptor)
