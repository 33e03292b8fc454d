"""How the workers of a cluster find each other before TensorFlow starts.

The chief listens on its own address of the cluster and the others connect to it; when all are there it stops
listening, and TensorFlow takes the port. So no further port is needed, a worker that is missing is named, and
workers that were started with other settings are refused before anything is computed.
"""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

from trainers.channel import read_exactly
from trainers.cluster import Cluster

_PROGRAM = "fast-fine-tuning"
_LONGEST = 100_000  # bytes of a greeting
_REMIND_S = 30.0
_HELD_S = 10.0
_LENGTH = struct.Struct("!I")


def meet(cluster: Cluster, settings: Mapping[str, Any], *, wait_s: float) -> dict[int, socket.socket]:
    """Waits for the others.

    Args:
      cluster: of this process.
      settings: JSON values that have to be the same everywhere.
      wait_s: how long to wait.

    Returns:
      Connections by worker: the chief's to all others, each other's to the chief.

    Raises:
      ValueError: who is missing, or who has other settings.
    """
    deadline = time.monotonic() + wait_s
    greeting = {"program": _PROGRAM, "index": cluster.index, "workers": cluster.workers, "settings": settings}
    greeting = json.loads(json.dumps(greeting))
    return _listen(cluster, greeting, deadline) if cluster.index == 0 else {0: _call(cluster, greeting, deadline)}


def _listen(cluster: Cluster, greeting: dict[str, Any], deadline: float) -> dict[int, socket.socket]:
    here: dict[int, socket.socket] = {}
    reminder = time.monotonic() + _REMIND_S
    with _server(cluster, deadline) as server:
        server.settimeout(1.0)
        while len(here) < len(cluster.workers) - 1:
            missing = ", ".join(f"{k} ({cluster.workers[k]})" for k in range(1, len(cluster.workers)) if k not in here)
            if time.monotonic() > deadline:
                raise ValueError(f"worker {missing} did not come: start it with its TF_CONFIG, then all again")
            if time.monotonic() > reminder:
                print(f"waiting for worker {missing}", flush=True)
                reminder += _REMIND_S
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            theirs = _greeted(connection)
            if theirs is None or theirs["workers"] != greeting["workers"]:
                connection.close()
                continue
            differences = _differences(greeting["settings"], theirs["settings"])
            if differences:
                message = f"worker {theirs['index']} was started with other settings than the chief: {differences}"
                for each in (connection, *here.values()):
                    with contextlib.suppress(OSError):
                        _say(each, {"refused": message})
                raise ValueError(message)
            here[theirs["index"]] = connection
    for connection in here.values():
        with contextlib.suppress(OSError):  # gone again: noticed as any loss is
            _say(connection, {"welcome": True})
    return here


def _server(cluster: Cluster, deadline: float) -> socket.socket:
    """Listens on the chief's port; a run that is just ending may hold it for a moment."""
    _, port = cluster.host_and_port(0)
    end = min(deadline, time.monotonic() + _HELD_S)
    while True:
        try:
            if socket.has_dualstack_ipv6():
                return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
            return socket.create_server(("", port), backlog=1024)
        except OSError as error:
            if time.monotonic() > end:
                raise ValueError(f"the chief cannot listen on port {port}: {error.strerror}") from None
            time.sleep(0.5)


def _call(cluster: Cluster, greeting: dict[str, Any], deadline: float) -> socket.socket:
    address = cluster.workers[0]
    failure: object = "no answer"
    reminder = time.monotonic() + _REMIND_S
    while time.monotonic() < deadline:
        if time.monotonic() > reminder:
            print(f"waiting for the chief ({address}): {failure}", flush=True)
            reminder += _REMIND_S
        try:
            connection = socket.create_connection(cluster.host_and_port(0), timeout=5)
            _say(connection, greeting)
            connection.settimeout(max(1.0, deadline - time.monotonic()))
            answer = _hear(connection)
        except (OSError, ValueError) as error:
            failure = getattr(error, "strerror", None) or error
            time.sleep(0.5)
            continue
        if "refused" in answer:
            raise ValueError(answer["refused"])
        return connection
    raise ValueError(
        f"the chief ({address}) did not answer ({failure}): start it too, or mend its address in TF_CONFIG"
    )


def _greeted(connection: socket.socket) -> dict[str, Any] | None:
    """What a worker says of itself; None for anybody else."""
    connection.settimeout(5)
    try:
        greeting = _hear(connection)
        is_ours = greeting["program"] == _PROGRAM and 0 < int(greeting["index"]) < len(greeting["workers"])
        return greeting if is_ours and isinstance(greeting["settings"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    names = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    return ", ".join(f"{name} is {theirs.get(name)!r} there and {ours.get(name)!r} here" for name in names)


def _say(connection: socket.socket, value: Mapping[str, Any]) -> None:
    content = json.dumps(value).encode()
    connection.sendall(_LENGTH.pack(len(content)) + content)


def _hear(connection: socket.socket) -> dict[str, Any]:
    (length,) = _LENGTH.unpack(read_exactly(connection, _LENGTH.size))
    if length > _LONGEST:
        raise ValueError("another program answers there")
    value = json.loads(read_exactly(connection, length))
    if not isinstance(value, dict):
        raise ValueError("another program answers there")
    return value
