"""The server: a socket, uvicorn in a thread of its own, and its end."""

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import uvicorn

from ftdata.errors import UserError
from trainers.config import ServeConfig
from trainers.runtime.signals import StopRequest
from trainers.serving.connection import bounded
from trainers.serving.endpoints import Endpoints

_LOOK_S = 0.1  # between two looks at whether somebody asks to stop


@contextlib.contextmanager
def listening(config: ServeConfig) -> Iterator[socket.socket]:
    """A socket that listens.

    Raises:
      UserError: the address is in use, or not of this machine.
    """
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        found = socket.create_server((config.host, config.port), family=family, backlog=512)
    except OSError as error:
        raise UserError(
            f"port {config.port} of host {config.host} cannot be listened on ({error.strerror or error}): "
            "choose another --port, 0 for a free one, or --host"
        ) from None
    with found:
        yield found


def address(found: socket.socket) -> str:
    """`127.0.0.1:8501` of a socket that listens."""
    host, port = found.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def serve(endpoints: Endpoints, found: socket.socket, config: ServeConfig, *, stop: StopRequest) -> None:
    """Answers until somebody asks to stop; what had arrived by then is answered.

    Args:
      endpoints: that answer.
      found: the socket, which is closed.
      config: the bounds.
      stop: tells when somebody asks to stop.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # a line for each broken request would fill a disk
    server = uvicorn.Server(
        uvicorn.Config(
            endpoints.application(),
            http=bounded(config.request_timeout_s),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(config.request_timeout_s) + 1,
        )
    )
    thread = threading.Thread(target=server.run, args=([found],), name="server", daemon=True)
    thread.start()  # in a thread uvicorn leaves signals alone
    try:
        while thread.is_alive() and stop.number is None:
            thread.join(_LOOK_S)
    finally:
        server.should_exit = True
        thread.join()
