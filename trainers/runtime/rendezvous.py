"""How the workers of a cluster find each other before TensorFlow starts.

Rank 0 listens on its own address of the cluster and the others connect to it; when all are there it stops
listening, and TensorFlow takes the port. So no further port is needed, a worker that is missing is named, and
workers that were started with other settings are refused before anything is computed. Whoever else connects (a
scanner, a health check, a client that says nothing) is heard beside the workers, for some seconds, and dropped.
"""

import contextlib
import json
import selectors
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

from ftdata.errors import UserError
from ftdata.log import log
from ftdata.settings import said
from trainers.runtime.channel import read_exactly
from trainers.runtime.cluster import Cluster

_PROGRAM = "fast-fine-tuning"
_LONGEST = 100_000  # bytes of a greeting
_LONGEST_MESSAGE = 2_000  # characters of a refusal
_GREETING_S = 5.0  # for all of it
_MOST_STRANGERS = 256  # heard at once; beyond, the one that has been silent for the longest has to go
_REMIND_S = 30.0
_HELD_S = 10.0
_LENGTH = struct.Struct("!I")
_MORE = object()  # has to come before it is a greeting


def meet(cluster: Cluster, settings: Mapping[str, Any], *, wait_s: float) -> dict[int, socket.socket]:
    """Waits for the others.

    Args:
      cluster: of this process.
      settings: JSON values that have to be the same everywhere.
      wait_s: how long to wait.

    Returns:
      Connections by worker: rank 0's to all others, each other's to rank 0.

    Raises:
      UserError: who is missing, or who has other settings.
    """
    deadline = time.monotonic() + wait_s
    greeting = {"program": _PROGRAM, "index": cluster.index, "workers": cluster.workers, "settings": settings}
    greeting = json.loads(json.dumps(greeting))
    return _listen(cluster, greeting, deadline) if cluster.index == 0 else {0: _call(cluster, greeting, deadline)}


def _listen(cluster: Cluster, greeting: dict[str, Any], deadline: float) -> dict[int, socket.socket]:
    here: dict[int, socket.socket] = {}
    reminder = time.monotonic() + _REMIND_S
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_server(cluster, deadline))
        reception = stack.enter_context(contextlib.closing(_Reception(server)))
        unless_all_come = stack.enter_context(contextlib.ExitStack())
        while len(here) < len(cluster.workers) - 1:
            missing = ", ".join(f"{k} ({cluster.workers[k]})" for k in range(1, len(cluster.workers)) if k not in here)
            if time.monotonic() > deadline:
                raise UserError(f"worker {missing} did not come: start it with its TF_CONFIG, then all again")
            if time.monotonic() > reminder:
                log.info(f"waiting for worker {missing}")
                reminder += _REMIND_S
            for connection, theirs in reception.greetings():
                if not _is_ours(theirs, greeting):
                    connection.close()
                    continue
                unless_all_come.callback(connection.close)
                differences = _differences(greeting["settings"], theirs["settings"])
                if differences:
                    message = f"worker {theirs['index']} was started with other settings than rank 0: {differences}"
                    for each in (connection, *here.values()):
                        with contextlib.suppress(OSError):
                            _say(each, {"refused": message})
                    raise UserError(message)
                if theirs["index"] in here:  # it was started again
                    here[theirs["index"]].close()
                here[theirs["index"]] = connection
        unless_all_come.pop_all()
    for connection in here.values():
        with contextlib.suppress(OSError):  # gone again: noticed as any loss is
            _say(connection, {"welcome": True})
    return here


class _Reception:
    """Hears whoever connects to `server`, all at once, each for a limited time and a limited number of bytes."""

    def __init__(self, server: socket.socket):
        self._server, self._heard = server, dict[socket.socket, tuple[bytearray, float]]()
        self._selector = selectors.DefaultSelector()
        server.setblocking(False)
        self._selector.register(server, selectors.EVENT_READ)

    def greetings(self) -> list[tuple[socket.socket, Any]]:
        """Connections that have said something, each with its JSON value, None for no JSON; waits up to a second."""
        said = []
        for key, _ in self._selector.select(1.0):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if connection is self._server:
                self._accept()
            elif connection in self._heard and (value := self._hear(connection)) is not _MORE:
                self._forget(connection)
                said.append((connection, value))
        now = time.monotonic()
        for connection in [each for each, (_, end) in self._heard.items() if now > end]:
            self._drop(connection)
        return said

    def close(self) -> None:
        """Drops who has not said anything yet."""
        for connection in list(self._heard):
            self._drop(connection)
        self._selector.close()

    def _accept(self) -> None:
        if len(self._heard) >= _MOST_STRANGERS:
            self._drop(next(iter(self._heard)))
        try:
            connection, _ = self._server.accept()
        except OSError:  # it left again, or there are no descriptors left: whoever waits longest makes room
            if self._heard:
                self._drop(next(iter(self._heard)))
            time.sleep(0.01)
            return
        connection.setblocking(False)
        self._heard[connection] = (bytearray(), time.monotonic() + _GREETING_S)
        self._selector.register(connection, selectors.EVENT_READ)

    def _hear(self, connection: socket.socket) -> Any:
        content, _ = self._heard[connection]
        try:
            received = connection.recv(_LENGTH.size + _LONGEST)
            content += received
            if received and len(content) < _LENGTH.size:
                return _MORE
            length = _length(content[: _LENGTH.size])
            if received and len(content) < _LENGTH.size + length:
                return _MORE
            return _value(content[_LENGTH.size :])
        except BlockingIOError:
            return _MORE
        except (OSError, ValueError):
            return None

    def _forget(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._heard[connection]
        connection.settimeout(_GREETING_S)

    def _drop(self, connection: socket.socket) -> None:
        self._forget(connection)
        connection.close()


def _server(cluster: Cluster, deadline: float) -> socket.socket:
    """Listens on the port of rank 0; a run that is just ending may hold it for a moment."""
    _, port = cluster.host_and_port(0)
    end = min(deadline, time.monotonic() + _HELD_S)
    while True:
        try:
            if socket.has_dualstack_ipv6():
                return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
            return socket.create_server(("", port), backlog=1024)
        except OSError as error:
            if time.monotonic() > end:
                raise UserError(f"rank 0 cannot listen on port {port}: {error.strerror}") from None
            time.sleep(0.5)


def _call(cluster: Cluster, greeting: dict[str, Any], deadline: float) -> socket.socket:
    address = cluster.workers[0]
    failure: object = "no answer"
    reminder = time.monotonic() + _REMIND_S
    while time.monotonic() < deadline:
        if time.monotonic() > reminder:
            log.info(f"waiting for rank 0 ({address}): {failure}")
            reminder += _REMIND_S
        connection = None
        try:
            connection = socket.create_connection(cluster.host_and_port(0), timeout=5)
            _say(connection, greeting)
            connection.settimeout(max(1.0, deadline - time.monotonic()))
            answer = _answer(connection, deadline)
        except (OSError, ValueError) as error:
            failure = getattr(error, "strerror", None) or error
            if connection:
                connection.close()
            time.sleep(0.5)
            continue
        if "refused" in answer:
            connection.close()
            raise UserError(str(answer["refused"])[:_LONGEST_MESSAGE])
        return connection
    raise UserError(f"rank 0 ({address}) did not answer ({failure}): start it too, or fix its address in TF_CONFIG")


def _is_ours(theirs: Any, greeting: Mapping[str, Any]) -> bool:
    """Whether a worker of this cluster has said it."""
    return (
        isinstance(theirs, dict)
        and theirs.get("program") == _PROGRAM
        and theirs.get("workers") == greeting["workers"]
        and type(theirs.get("index")) is int
        and 0 < theirs["index"] < len(greeting["workers"])
        and isinstance(theirs.get("settings"), dict)
    )


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    names = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    text = ", ".join(f"{name} is {said(theirs.get(name))} there and {said(ours.get(name))} here" for name in names)
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}..."


def _say(connection: socket.socket, value: Mapping[str, Any]) -> None:
    content = json.dumps(value).encode()
    connection.sendall(_LENGTH.pack(len(content)) + content)


def _answer(connection: socket.socket, deadline: float) -> dict[str, Any]:
    length = _length(read_exactly(connection, _LENGTH.size, deadline=deadline))
    value = _value(read_exactly(connection, length, deadline=min(deadline, time.monotonic() + _GREETING_S)))
    if not isinstance(value, dict) or not ("refused" in value or value.get("welcome") is True):
        raise UserError("another program answers there")
    return value


def _length(head: bytes | bytearray) -> int:
    if len(head) < _LENGTH.size or (length := _LENGTH.unpack(head)[0]) > _LONGEST:
        raise UserError("another program answers there")
    return length


def _value(content: bytearray) -> Any:
    """The JSON value; one that is nested without end is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise UserError("another program answers there") from None
