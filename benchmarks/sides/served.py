"""A SavedModel behind `--phase=serve` in a process of its own, and clients that ask it."""

import base64
import contextlib
import http.client
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness.process import quiet_start

_STARTS_S = 120.0


@contextlib.contextmanager
def server(saved_model: Path, *, batch_size: int) -> Iterator[str]:
    """A server on the loopback; yields its `host:port`.

    Args:
      saved_model: folder of it.
      batch_size: images in a call of the model at most.

    Raises:
      ValueError: it did not start; the message has what it said.
    """
    command = [sys.executable, "-u", "-m", "trainers.main", "--phase=serve", f"--model={saved_model}", "--port=0"]
    command += ["--served_name=model", f"--batch_size={batch_size}"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        with quiet_start():
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        try:
            yield _address(process, said)
        finally:
            process.terminate()
            process.wait()


def _address(process: subprocess.Popen, said: Iterator[str]) -> str:
    end, text = time.monotonic() + _STARTS_S, ""
    while time.monotonic() < end:
        said.seek(0)  # type: ignore[attr-defined]
        text = said.read()  # type: ignore[attr-defined]
        if found := re.search(r"serving at http://([^/]+)/", text):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise ValueError(
        f"the server did not start: {text.strip().splitlines()[-1] if text.strip() else 'it said nothing'}"
    )


def body(files: Sequence[bytes]) -> bytes:
    """The request for predictions of image files."""
    return json.dumps({"instances": [{"b64": base64.b64encode(file).decode()} for file in files]}).encode()


class Clients:
    """Clients that ask at one time, each over a connection that stays open, one request after the other.

    Args:
      address: of the server.
      count: of clients.
      bodies: what they send, in turn.
      requests: of each client in a call.

    Attributes:
      seconds: that each answered request took, since `forget`.
      errors: requests that got none.
    """

    def __init__(self, address: str, *, count: int, bodies: Sequence[bytes], requests: int):
        self.address, self.count, self.bodies, self.requests = address, count, bodies, requests
        self.seconds: list[float] = []
        self.errors = 0
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Forgets what was measured: it was to warm up."""
        self.seconds, self.errors = [], 0

    def __call__(self) -> None:
        """All requests of all clients."""
        threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ask(self, number: int) -> None:
        seconds, errors = list[float](), 0
        connection = http.client.HTTPConnection(self.address, timeout=120)
        with contextlib.closing(connection):
            for turn in range(self.requests):
                start = time.perf_counter()
                try:
                    content = self.bodies[(number + turn * self.count) % len(self.bodies)]
                    connection.request("POST", "/v1/models/model:predict", content)
                    response = connection.getresponse()
                    response.read()
                    is_answered = response.status == 200
                except (OSError, http.client.HTTPException):
                    connection.close()
                    is_answered = False
                seconds += [time.perf_counter() - start] if is_answered else []
                errors += not is_answered
        with self._lock:
            self.seconds += seconds
            self.errors += errors
