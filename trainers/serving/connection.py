"""A connection in bounded time: a client that sends its request or reads its answer too slowly is cut off.

uvicorn bounds the time between two requests only, and leaves that of a request to the application, which hears of it
once its headers are whole.
"""

import asyncio
import json
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 10.0  # in which the headers of a request have to arrive, the time between two requests included
_READING_S = 10.0  # in which an answer has to be read
MOST = 512  # connections at one time


def bounded(request_timeout_s: float) -> type[H11Protocol]:
    """A protocol for uvicorn, for requests that are answered within `request_timeout_s`."""

    class Connection(_Connection):
        longest_s = 2 * request_timeout_s + _READING_S  # arriving, waiting, leaving

    return Connection


class _Connection(H11Protocol):
    longest_s: float
    _timer: asyncio.TimerHandle | None = None
    _timed: Any = None  # the request that the timer is for, None between two

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does it for sockets that name their protocol, which accepted ones do not. Without it the body of an
        # answer waits, up to 40 ms, until the client has acknowledged its head.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > MOST:
            transport.write(_response(503, "Service Unavailable", "busy: too many connections", "retry-after: 1\r\n"))
            transport.close()
            return
        self._time()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._time()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """In the words of the contract; whatever came before it in this connection was answered."""
        self.transport.write(_response(400, "Bad Request", "this is no valid HTTP request"))
        self.transport.close()

    def _time(self) -> None:
        """Starts the timer anew where a request has begun or ended."""
        running = self.cycle if self.cycle is not None and not self.cycle.response_complete else None
        if self._timer and running is self._timed:
            return
        if self._timer:
            self._timer.cancel()
        self._timed = running
        self._timer = self.loop.call_later(self.longest_s if running else HEADERS_S, self._cut_off)

    def _cut_off(self) -> None:
        if self._timed is None and not self.transport.is_closing():
            self.transport.write(_response(408, "Request Timeout", f"no request within {HEADERS_S:g} s"))
            self.transport.close()
        else:
            self.transport.abort()


def _response(status: int, reason: str, message: str, more: str = "") -> bytes:
    body = json.dumps({"error": message})
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}{more}connection: close\r\n\r\n{body}".encode()
