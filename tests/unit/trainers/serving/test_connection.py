"""A connection: the body of an answer does not wait until the client has acknowledged its head."""

import socket
import threading
import time
import urllib.request

import pytest

from trainers.config import ServeConfig
from trainers.serving import address

pytestmark = pytest.mark.extra_serve
uvicorn = pytest.importorskip("uvicorn")


async def _application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def test_small_writes_are_sent_at_once():
    from trainers.serving.connection import bounded

    options = []

    class Noted(bounded(30.0)):
        def connection_made(self, transport):
            super().connection_made(transport)
            accepted = transport.get_extra_info("socket")
            options.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    with address.listening(ServeConfig(port=0)) as found:
        server = uvicorn.Server(uvicorn.Config(_application, http=Noted, ws="none", lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, args=([found],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        with urllib.request.urlopen(f"http://{address.in_words(found)}/") as answer:
            assert answer.read() == b"ok"
        server.should_exit = True
        thread.join()
    assert options
    assert all(options)
