"""The server: a socket, uvicorn in a thread of its own, and its end."""

import logging
import socket
import threading

import uvicorn

from trainers.config import ServeConfig
from trainers.runtime.signals import StopRequest
from trainers.serving.connection import bounded
from trainers.serving.endpoints import Endpoints

_LOOK_S = 0.1  # between two looks at whether somebody asks to stop


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
