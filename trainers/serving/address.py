"""What a server needs: its packages, a SavedModel, and the socket that it listens on. No TensorFlow."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from ftdata.errors import UserError
from trainers.config import ServeConfig
from trainers.runtime import extras

_NEEDED = ("uvicorn", "starlette")


def check_installed() -> None:
    """Does nothing where the extra is installed.

    Raises:
      UserError: what is missing and how to install it.
    """
    extras.check_installed("--phase=serve", _NEEDED, extra="serve")


def check_saved_model(folder: Path) -> None:
    """Raises UserError where a folder holds no SavedModel."""
    if not (folder / "saved_model.pb").is_file():
        raise UserError(f"{folder} holds no SavedModel: --phase=export makes one")


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


def in_words(found: socket.socket) -> str:
    """`127.0.0.1:8501` of a socket that listens."""
    host, port = found.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
