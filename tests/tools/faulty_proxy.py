"""A proxy of HTTP on the loopback that lets requests through, or does to them what networks and stores do at times."""

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

# How a request fares: None lets it through.
Rule = Callable[["Request", int], str | None]
_ERROR = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>on purpose</Message></Error>"
_ANSWERS = {
    "500": (b"500 Internal Server Error", b"InternalError"),
    "503": (b"503 Slow Down", b"SlowDown"),
    "403": (b"403 Forbidden", b"AccessDenied"),
}


class Request(NamedTuple):
    """A request: `GET`, and the path with its question."""

    method: str
    path: str


class FaultyProxy:
    """Passes what it hears on `address` to a server, as `rule` says.

    The rule gets a request and how often that same request has come before; it returns `500`, `503` or `403` to be
    answered so, `silence` for no answer, `cut` for half of the body, `reset` for none, or None.
    """

    def __init__(self, server: tuple[str, int], rule: Rule = lambda request, times: None):
        self.server, self.rule = server, rule
        self.times, self.faults, self._lock = Counter[Request](), Counter[str](), threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._ends = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Hears nothing any more; what waits in silence is let go."""
        self._ends.set()
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                heard, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(heard,), daemon=True).start()

    def _serve(self, heard: socket.socket) -> None:
        with contextlib.suppress(OSError), heard:
            head, rest = _head(heard)
            if not head:
                return
            method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            request = Request(method, path)
            with self._lock:
                fault = self.rule(request, self.times[request])
                self.times[request] += 1
                self.faults.update([fault] if fault else [])
            body = rest + _exactly(heard, _length(head) - len(rest))
            if fault in _ANSWERS:
                status, code = _ANSWERS[fault]
                _say(heard, status, _ERROR % code)
            elif fault == "silence":
                self._ends.wait(600)
            elif fault != "reset":
                self._pass(heard, head, body, is_cut=fault == "cut")

    def _pass(self, heard: socket.socket, head: bytes, body: bytes, *, is_cut: bool) -> None:
        lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]
        with socket.create_connection(self.server) as server:
            server.sendall(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
            answer = b""
            while part := server.recv(2**16):
                answer += part
        top, _, content = answer.partition(b"\r\n\r\n")
        lines = [line for line in top.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        whole = b"\r\n".join([*lines, b"Connection: close", b"", b""])
        heard.sendall(whole + (content[: len(content) // 2] if is_cut else content))


@contextlib.contextmanager
def between(endpoint: str, rule: Rule = lambda request, times: None) -> Iterator[FaultyProxy]:
    """A proxy of a server at http://HOST:PORT."""
    host, _, port = endpoint.removeprefix("http://").partition(":")
    proxy = FaultyProxy((host, int(port)), rule)
    try:
        yield proxy
    finally:
        proxy.close()


def of_objects(fault: str, *, tries: int = 1, every: int = 1, ending: str = ".jpg") -> Rule:
    """The fault in the first `tries` of each `every`th request for an object."""
    numbers: dict[str, int] = {}

    def rule(request: Request, times: int) -> str | None:
        path = request.path.partition("?")[0]
        if request.method != "GET" or not path.endswith(ending):
            return None
        number = numbers.setdefault(path, len(numbers))
        return fault if number % every == 0 and times < tries else None

    return rule


def slowly(seconds: float) -> Rule:
    """Lets all through, later."""

    def rule(request: Request, times: int) -> str | None:
        del times
        if request.method == "GET" and request.path.partition("?")[0].endswith(".jpg"):
            time.sleep(seconds)
        return None

    return rule


def _head(heard: socket.socket) -> tuple[bytes, bytes]:
    got = b""
    while b"\r\n\r\n" not in got:
        part = heard.recv(2**16)
        if not part:
            return b"", b""
        got += part
    head, _, rest = got.partition(b"\r\n\r\n")
    return head, rest


def _length(head: bytes) -> int:
    lines = (line.lower() for line in head.split(b"\r\n"))
    return next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)


def _exactly(heard: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = heard.recv(count - len(got))
        if not part:
            break
        got += part
    return got


def _say(heard: socket.socket, status: bytes, body: bytes) -> None:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    heard.sendall(head % (status, len(body)) + body)
