"""A server of --phase=serve in a process of its own, and what is sent to it."""

import base64
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests import ROOT

_DEADLINE_S = 120.0


class Server:
    """`python -m trainers.main --phase=serve` on a free port of the loopback, with its output in `log`."""

    def __init__(self, model_dir: Path, log: Path, flags: Sequence[str] = ()):
        self.log = log
        command = [
            sys.executable,
            "-m",
            "trainers.main",
            "--phase=serve",
            f"--model_dir={model_dir}",
            "--port=0",
            *flags,
        ]
        with open(log, "w", encoding="utf-8") as stream:
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream, env=environment)
        self.port, self.path = self._address()

    def _address(self) -> tuple[int, str]:
        end = time.monotonic() + _DEADLINE_S
        while time.monotonic() < end and self.process.poll() is None:
            if found := re.search(r"serving at http://127\.0\.0\.1:(\d+)(\S+):predict", self.said()):
                return int(found[1]), found[2]
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"no server: {self.said()}")

    def said(self) -> str:
        """Its output so far."""
        return self.log.read_text(encoding="utf-8")

    def ask(self, method: str = "POST", path: str = ":predict", body: Any = None, **headers: str) -> "Reply":
        """A request in a connection of its own; a body that is not bytes is sent as JSON, a path begins behind that of
        the model unless it begins with a slash."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path if path.startswith("//") else self.path + path, content, headers)
            return Reply(connection.getresponse())

    def send(self, content: bytes, *, wait_s: float = 30.0) -> bytes:
        """Bytes in a connection of their own; returns all that comes back until the server closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait_s) as connection:
            connection.sendall(content)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def resident_mib(self) -> float:
        """Memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        return self.process.wait(60)


class Reply:
    """What came back."""

    def __init__(self, response: http.client.HTTPResponse):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """What is said instead of an answer."""
        return self.json()["error"]


def files(*contents: bytes) -> dict[str, Any]:
    """The request for predictions of files of images."""
    return {"instances": [{"b64": base64.b64encode(content).decode()} for content in contents]}


@contextlib.contextmanager
def running(model_dir: Path, log: Path, flags: Sequence[str] = ()) -> Iterator[Server]:
    """A server for the block; killed where it does not stop by itself."""
    server = Server(model_dir, log, flags)
    try:
        yield server
    finally:
        server.process.terminate()
        try:
            server.process.wait(30)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
