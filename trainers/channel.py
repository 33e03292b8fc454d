"""A connection to another process of the cluster: messages in order, and signs of life in between.

A message is JSON and arrays; nothing is unpickled. A frame is a kind, a length and so many bytes.
"""

import contextlib
import json
import queue
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_HEAD = struct.Struct("!cQ")
_ALIVE, _MESSAGE, _STOP, _GOODBYE = b".", b"m", b"s", b"b"
_LARGEST = 1 << 40  # bytes: what is longer is no frame of ours
_BEATS = 6  # in the time after which a silent process counts as dead
_PIECE = 1 << 20

Message = tuple[Any, list[np.ndarray]]


class Lost(ConnectionError):
    """The other process has left or is silent."""


class Channel:
    """One end of the connection.

    Args:
      connection: open.
      peer: the other process, in words.
      timeout_s: seconds of silence after which it counts as dead.
      on_stop: called when it says that somebody asked it to stop.
      on_end: called with (reason, exit status) when it has left or is silent; not after `close`. The exit status
        is 0 if all is done there.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        peer: str,
        timeout_s: float,
        on_stop: Callable[[], None],
        on_end: Callable[[str, int], None],
    ):
        self.peer, self.timeout_s = peer, timeout_s
        self._connection, self._on_stop, self._on_end = connection, on_stop, on_end
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._is_closed = threading.Event()
        connection.settimeout(timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for work in (self._listen, self._beat):
            threading.Thread(target=work, name=f"{work.__name__} {peer}", daemon=True).start()

    def send(self, value: Any = None, arrays: Sequence[np.ndarray] = ()) -> None:
        """Sends a JSON value and arrays.

        Raises:
          Lost: the other process is gone.
        """
        parts = [np.ascontiguousarray(array) for array in arrays]
        shapes = [[part.dtype.str, list(array.shape)] for part, array in zip(parts, arrays, strict=True)]
        header = json.dumps({"value": value, "arrays": shapes}).encode()
        pieces = [struct.pack("!Q", len(header)), header, *(part.reshape(-1).view(np.uint8).data for part in parts)]
        self._send(_MESSAGE, *pieces)

    def receive(self) -> Message:
        """The next message, waiting for it.

        Raises:
          Lost: the other process is gone.
        """
        message = self._messages.get()
        if message is None:
            self._messages.put(None)  # for whoever asks again
            raise Lost(f"{self.peer} is gone")
        return message

    def ask_to_stop(self) -> None:
        """Tells the other process that somebody asked to stop."""
        with contextlib.suppress(Lost):
            self._send(_STOP)

    def close(self, reason: str = "", *, status: int = 0) -> None:
        """Says goodbye: why, and the exit status."""
        self._is_closed.set()
        with contextlib.suppress(Lost):
            self._send(_GOODBYE, json.dumps([reason, status]).encode())

    def _send(self, kind: bytes, *pieces: Any) -> None:
        length = sum(len(piece) for piece in pieces)
        with self._sending:
            try:
                for piece in (_HEAD.pack(kind, length), *pieces):
                    rest = memoryview(piece)
                    while len(rest):  # not sendall, whose timeout is for the whole of it
                        rest = rest[self._connection.send(rest[:_PIECE]) :]
            except OSError as error:
                raise Lost(f"{self.peer} is gone ({error})") from error

    def _beat(self) -> None:
        while not self._is_closed.wait(self.timeout_s / _BEATS):
            try:
                self._send(_ALIVE)
            except Lost:  # the listener notices too, and says so
                return

    def _listen(self) -> None:
        reason, status = "", 1
        try:
            while True:
                kind, length = _HEAD.unpack(read_exactly(self._connection, _HEAD.size))
                if length > _LARGEST:
                    raise Lost("what it says makes no sense")
                content = read_exactly(self._connection, length)
                if kind == _MESSAGE:
                    self._messages.put(_decode(content))
                elif kind == _STOP:
                    self._on_stop()
                elif kind == _GOODBYE:
                    reason, status = json.loads(content)
                    break
        except TimeoutError:
            reason = f"{self.peer} has been silent for {self.timeout_s:g} s"
        except (OSError, ValueError) as error:
            reason = f"{self.peer} is gone ({error})"
        if not self._is_closed.is_set():
            self._on_end(reason, status)
        self._messages.put(None)


def read_exactly(connection: socket.socket, count: int) -> bytearray:
    """So many bytes; the socket's timeout is for each part of them.

    Raises:
      Lost: the connection ended before.
    """
    content = bytearray(count)
    rest = memoryview(content)
    while len(rest):
        received = connection.recv_into(rest)
        if not received:
            raise Lost("the connection ended")
        rest = rest[received:]
    return content


def _decode(content: bytearray) -> Message:
    (length,) = struct.unpack_from("!Q", content)
    header = json.loads(content[8 : 8 + length])
    place, arrays = 8 + length, []
    for dtype, shape in header["arrays"]:
        array = np.frombuffer(content, np.dtype(dtype), count=int(np.prod(shape)), offset=place).reshape(shape)
        place += array.nbytes
        arrays.append(array)
    return header["value"], arrays
