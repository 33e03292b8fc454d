"""A watch from outside over a process that may be stuck where no thread of Python runs.

TensorFlow joins a cluster inside a call that keeps Python's lock until every worker is there, so the threads that
listen to the other workers stand still meanwhile. A small process looks after their connections instead.
"""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_SCRIPT = Path(__file__).with_name("sentinel_script.py")


@contextlib.contextmanager
def watching(peers: Mapping[str, socket.socket], *, limit_s: float, advice: str) -> Iterator[None]:
    """While the block runs, ends this process (SIGKILL) with a line on standard error if a peer is gone.

    Args:
      peers: open connections by the names of who is at the other end.
      limit_s: for the block; a longer one is ended too.
      advice: what the line says last.
    """
    numbers = [connection.fileno() for connection in peers.values()]
    command = [sys.executable, "-I", "-S", str(_SCRIPT), str(os.getpid()), str(limit_s), advice]
    command += [text for name, number in zip(peers, numbers, strict=True) for text in (str(number), name)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=numbers, start_new_session=True)
    assert process.stdin is not None
    try:
        yield
    finally:
        process.stdin.close()  # it ends with that
        process.wait()
