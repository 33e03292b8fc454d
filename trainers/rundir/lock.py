"""One writer for each model_dir."""

import contextlib
import errno
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from ftdata import file_lock
from ftdata.errors import UserError
from ftdata.log import log

_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def only_writer(root: Path) -> Iterator[None]:
    """Holds the file `lock` in `root` while the block runs; it names the host and the process that hold it.

    The lock is `flock`'s, so it ends with its process, however that ends, and a file left behind locks nothing.
    Network file systems pass it on between machines (NFS, Lustre with -o flock, CephFS, GPFS). Where there are no
    locks at all the content of the file decides: another machine's process cannot be asked and counts as alive.

    Raises:
      UserError: another process writes there; it is named.
    """
    is_new = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    path = root / "lock"
    descriptor = file_lock.open_locked(path, lambda opened: _lock(opened, path))
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"host": socket.gethostname(), "process": os.getpid()}).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)  # before it is let go: whoever waits for it looks whether it is still there
        os.close(descriptor)
        if is_new:
            with contextlib.suppress(OSError):  # of a folder that has come to hold something
                root.rmdir()


def _lock(descriptor: int, path: Path) -> None:
    holder = _holder(descriptor)
    try:
        file_lock.lock(descriptor, wait=False)
    except BlockingIOError:
        _refuse(path, holder, "wait until it is done, stop it, or choose another --model_dir")
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        if holder and not _is_dead(*holder):
            _refuse(path, holder, f"if that process is gone, delete {path}")
    if holder:
        log.info(f"note: {path} was left by process {holder[1]} on {holder[0]}, which holds it no longer")


def _holder(descriptor: int) -> tuple[str, int] | None:
    """Host and process id; None while they are not written."""
    try:
        content = json.loads(os.pread(descriptor, 1000, 0))
        return str(content["host"]), int(content["process"])
    except (ValueError, KeyError, TypeError):
        return None


def _is_dead(host: str, process: int) -> bool:
    return host == socket.gethostname() and not Path(f"/proc/{process}").exists()


def _refuse(path: Path, holder: tuple[str, int] | None, way_out: str) -> None:
    who = f"process {holder[1]} on {holder[0]}" if holder else "another process"
    raise UserError(f"model_dir {path.parent} is in use by {who}: {way_out}")
