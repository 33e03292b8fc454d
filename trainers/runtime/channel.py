"""A connection to another process of the cluster: messages in order, and signs of life in between.

A message is JSON and arrays; nothing is unpickled. A frame is a kind, a length and so many bytes.

Whatever the other process sends, or fails to send, ends the connection with a reason: memory is taken for what has
arrived and not for what was announced, a frame has to arrive at a rate worth waiting for, and no error of reading is
left to kill the thread that listens, which would leave everybody waiting.
"""

import contextlib
import json
import math
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ftdata.cache import resources
from ftdata.errors import UserError, in_words

_HEAD = struct.Struct("!cQ")
_ALIVE, _MESSAGE, _STOP, _GOODBYE = b".", b"m", b"s", b"b"
_LARGEST = {_ALIVE: 0, _STOP: 0, _GOODBYE: 1 << 20, _MESSAGE: 1 << 40}  # bytes; a longer one is no frame of ours
_MOST_WAITING = 1000  # messages that nobody has asked for yet
_LONGEST_REASON = 10_000  # characters
_BEATS = 6  # in the time after which a silent process counts as dead
_PIECE = 1 << 20
_SLOWEST = 1 << 20  # bytes a second: gradients take the same way at every step

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
            self._send(_GOODBYE, json.dumps([reason[:_LONGEST_REASON], status]).encode())

    def _send(self, kind: bytes, *pieces: Any) -> None:
        length = sum(len(piece) for piece in pieces)
        with self._sending:
            deadline = self._deadline(length)
            try:
                for piece in (_HEAD.pack(kind, length), *pieces):
                    rest = memoryview(piece)
                    while len(rest):  # not sendall, whose timeout is for the whole of it
                        if time.monotonic() > deadline:
                            raise TimeoutError("it takes what it is sent too slowly")
                        rest = rest[self._connection.send(rest[:_PIECE]) :]
            except OSError as error:
                raise Lost(f"{self.peer} is gone ({in_words(error)})") from error

    def _deadline(self, length: int) -> float:
        """When so many bytes have to be through."""
        return time.monotonic() + self.timeout_s + length / _SLOWEST

    def _beat(self) -> None:
        while not self._is_closed.wait(self.timeout_s / _BEATS):
            try:
                self._send(_ALIVE)
            except Lost:  # the listener notices too, and says so
                return

    def _listen(self) -> None:
        reason, status = f"{self.peer} is gone", 1
        try:
            reason, status = self._until_goodbye()
        except TimeoutError:
            reason = f"{self.peer} has been silent for {self.timeout_s:g} s"
        except OSError as error:
            reason = f"{self.peer} is gone ({in_words(error)})"
        except Exception as error:  # no error at all may end this thread without a word: others wait for it
            reason = f"{self.peer} sends what cannot be understood ({str(error) or type(error).__name__})"
        try:
            if not self._is_closed.is_set():
                self._on_end(reason, status)
        finally:
            self._messages.put(None)

    def _until_goodbye(self) -> tuple[str, int]:
        """Takes what comes; returns the reason and the exit status of the goodbye."""
        while True:
            head = read_exactly(self._connection, _HEAD.size, deadline=self._deadline(0))
            kind, length = _HEAD.unpack(head)
            if length > _LARGEST.get(kind, -1):
                raise UserError(f"a frame of the kind {kind!r} and {length:,} bytes")
            if length > _PIECE and length > (left := resources.available_memory()):
                raise UserError(f"a message of {length / 2**20:,.0f} MiB, and {left / 2**20:,.0f} MiB are left here")
            content = read_exactly(self._connection, length, deadline=self._deadline(length))
            if kind == _MESSAGE:
                if self._messages.qsize() >= _MOST_WAITING:
                    raise UserError(f"{_MOST_WAITING} messages that nobody has asked for")
                self._messages.put(_decode(content))
            elif kind == _STOP:
                self._on_stop()
            elif kind == _GOODBYE:
                return _decode_goodbye(content)


def read_exactly(connection: socket.socket, count: int, *, deadline: float) -> bytearray:
    """So many bytes; the socket's timeout is for each part of them.

    Args:
      connection: with a timeout.
      count: of bytes, for which memory is taken as they come.
      deadline: of the monotonic clock; looked at before each part.

    Raises:
      Lost: the connection ended before, or the deadline passed.
      TimeoutError: nothing came.
    """
    content = bytearray()
    part = memoryview(bytearray(min(count, _PIECE)))
    while len(content) < count:
        if time.monotonic() > deadline:
            raise Lost("what it sends comes too slowly")
        received = connection.recv_into(part[: count - len(content)])
        if not received:
            raise Lost("the connection ended")
        content += part[:received]
    return content


def _decode(content: bytearray) -> Message:
    (length,) = struct.unpack_from("!Q", content)
    if length > len(content) - 8:
        raise UserError("a message shorter than its header")
    header = json.loads(content[8 : 8 + length])
    place, arrays = 8 + length, []
    for dtype, shape in header["arrays"]:
        if not all(type(side) is int and side >= 0 for side in shape):
            raise UserError(f"an array of the shape {str(shape)[:80]}")
        array = np.frombuffer(content, np.dtype(dtype), count=math.prod(shape), offset=place).reshape(shape)
        place += array.nbytes
        arrays.append(array)
    if place != len(content):
        raise UserError(f"a message of {len(content):,} bytes whose parts have {place:,}")
    return header["value"], arrays


def _decode_goodbye(content: bytearray) -> tuple[str, int]:
    reason, status = json.loads(content)
    if type(reason) is not str or type(status) is not int or not 0 <= status <= 255:
        raise UserError("a goodbye without a reason and an exit status")
    return reason[:_LONGEST_REASON], status
