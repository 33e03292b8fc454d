"""A process whose threads all stand still, because a call keeps Python's lock, is ended when a peer is gone."""

import contextlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests import ROOT

_STUCK = """
import ctypes, socket, sys
from trainers.runtime import sentinel
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
with sentinel.watching({"worker 1": connection}, limit_s=float(sys.argv[2]), advice="start it again"):
    connection.sendall(b"x")
    ctypes.PyDLL(None).usleep(int(float(sys.argv[3]) * 1e6))  # keeps the lock
print("done")
"""


@contextlib.contextmanager
def stuck(limit_s, seconds):
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", _STUCK, str(server.getsockname()[1]), str(limit_s), str(seconds)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=ROOT, **pipes) as process, server.accept()[0] as connection:
            assert connection.recv(1) == b"x"
            yield process, connection


@pytest.mark.parametrize("says_something_first", [False, True])
def test_it_ends_with_a_line_when_a_peer_is_gone(says_something_first):
    with stuck(60, 30) as (process, connection):
        if says_something_first:
            connection.sendall(b"a sign of life that nobody reads")
        time.sleep(0.2)
        connection.close()
        began = time.monotonic()
        assert process.wait(timeout=5) == -signal.SIGKILL
        assert time.monotonic() - began < 3
        assert process.stderr.read() == "stopped: worker 1 is gone; start it again\n"


def test_it_ends_with_a_line_when_it_takes_too_long():
    with stuck(0.5, 30) as (process, _):
        assert process.wait(timeout=10) == -signal.SIGKILL
        said = process.stderr.read()
        assert said == "stopped: TensorFlow has not joined the workers in 0.5 s; start it again\n"


def test_it_goes_on_when_all_are_there():
    with stuck(60, 0.2) as (process, connection):
        connection.sendall(b"alive")
        assert process.wait(timeout=10) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("done\n", "")
