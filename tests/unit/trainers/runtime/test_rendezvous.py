"""How workers find each other while others knock at the port of rank 0: real sockets on this machine."""

import contextlib
import json
import random
import socket
import struct
import threading
import time

import pytest

from tests.tools.workers import free_ports
from trainers.runtime import rendezvous
from trainers.runtime.cluster import Cluster

_SETTINGS = {"seed": 0, "backbone": "vgg_nano"}


def said(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack("!I", len(text)) + text


class Meeting:
    """The chief of two workers, waiting in a thread."""

    def __init__(self, wait_s=20.0):
        self.cluster = Cluster(tuple(f"127.0.0.1:{port}" for port in free_ports(2)), 0)
        self.found, self.error = None, None
        self._thread = threading.Thread(target=self._meet, args=(wait_s,), daemon=True)
        self._thread.start()

    def _meet(self, wait_s):
        try:
            self.found = rendezvous.meet(self.cluster, _SETTINGS, wait_s=wait_s)
        except ValueError as error:
            self.error = str(error)

    def knock(self, content=b""):
        end = time.monotonic() + 5
        while True:
            try:
                connection = socket.create_connection(self.cluster.host_and_port(0), timeout=5)
                break
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        with contextlib.suppress(OSError):
            connection.sendall(content)
        return connection

    def join(self):
        """The real worker comes; returns the seconds it took."""
        began = time.monotonic()
        worker = Cluster(self.cluster.workers, 1)
        connection = rendezvous.meet(worker, _SETTINGS, wait_s=10)[0]
        self._thread.join(5)
        assert set(self.found) == {1}
        for each in (connection, *self.found.values()):
            each.close()
        return time.monotonic() - began

    def ended(self, seconds):
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        return self.error


def greeting(meeting, **changes):
    values = {
        "program": "fast-fine-tuning",
        "index": 1,
        "workers": list(meeting.cluster.workers),
        "settings": _SETTINGS,
    }
    return {**values, **changes}


def test_strangers_of_all_kinds_hold_up_nobody():
    meeting = Meeting()
    contents = [
        *(b"", b"\0\0", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9),
        *(struct.pack("!I", 1 << 31), struct.pack("!I", 90_000) + b"x", said(b"[" * 90_000), said(b"\xff\xfe\xfd")),
        *(said(value) for value in ([], 5, None, {}, {"program": 1}, {"workers": 5})),
        *(said(greeting(meeting, index=index)) for index in (0, 2, -1, "1", 1.5, True, None, [], {}, 1e999, 10**30)),
        *(said(greeting(meeting, **change)) for change in ({"settings": 5}, {"workers": 7}, {"workers": []})),
    ]
    open_ones = [meeting.knock(content) for content in contents]
    open_ones += [meeting.knock() for _ in range(300)]  # more than are heard at once
    assert meeting.join() < 3
    for each in open_ones:
        each.close()


def test_a_client_that_says_its_greeting_byte_by_byte_holds_up_nobody():
    meeting = Meeting()
    slow = meeting.knock()

    def drip():
        with contextlib.suppress(OSError):
            for byte in said(greeting(meeting)):
                slow.sendall(bytes([byte]))
                time.sleep(0.2)

    threading.Thread(target=drip, daemon=True).start()
    time.sleep(0.5)
    assert meeting.join() < 3
    slow.close()


def test_damaged_greetings_end_nothing():
    draw, meeting = random.Random(0), Meeting()
    for _ in range(300):
        content = bytearray(said(greeting(meeting, settings={**_SETTINGS, "x": 1})))
        content[draw.randrange(len(content) - 60)] = draw.randrange(256)  # not in the settings, which may differ
        del content[draw.randrange(len(content)) :]
        meeting.knock(content).close()
    assert meeting.join() < 3


def test_a_worker_that_was_started_again_takes_its_own_place():
    cluster = Cluster(tuple(f"127.0.0.1:{port}" for port in free_ports(3)), 0)
    meeting = Meeting.__new__(Meeting)
    meeting.cluster, meeting.found, meeting.error = cluster, None, None
    meeting._thread = threading.Thread(target=meeting._meet, args=(10.0,), daemon=True)
    meeting._thread.start()
    first = meeting.knock(said(greeting(meeting)))
    time.sleep(0.3)
    again = meeting.knock(said(greeting(meeting)))
    last = meeting.knock(said(greeting(meeting, index=2)))
    meeting.ended(5)
    assert set(meeting.found) == {1, 2}
    assert first.recv(100) == b""  # closed
    assert b"welcome" in again.recv(100)
    for each in (first, again, last, *meeting.found.values()):
        each.close()


def test_settings_beyond_measure_are_refused_in_a_line_of_some_length():
    meeting = Meeting()
    with meeting.knock(said(greeting(meeting, settings={"seed": "x" * 90_000}))) as connection:
        assert "worker 1 was started with other settings" in meeting.ended(5)
        assert len(meeting.error) < 2_200
        connection.recv(10)


def test_who_does_not_come_is_named_in_time_although_others_knock():
    meeting = Meeting(wait_s=0.5)
    with meeting.knock(b"\0"), meeting.knock(said(b"[" * 50_000)):
        assert meeting.ended(5) == f"worker 1 ({meeting.cluster.workers[1]}) did not come: " + (
            "start it with its TF_CONFIG, then all again"
        )


@pytest.mark.parametrize("answer", [b"\0", said(b"[" * 50_000), said({})])
def test_a_worker_that_finds_another_program_says_so_in_time(answer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        over = threading.Event()

        def serve():
            with contextlib.suppress(OSError):
                while not over.is_set():
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(answer)
                        over.wait(3)

        threading.Thread(target=serve, daemon=True).start()
        cluster = Cluster((f"127.0.0.1:{port}", f"127.0.0.1:{free_ports(1)[0]}"), 1)
        began = time.monotonic()
        with pytest.raises(ValueError, match=r"rank 0 \(127.0.0.1:\d+\) did not answer"):
            rendezvous.meet(cluster, _SETTINGS, wait_s=0.2)
        assert time.monotonic() - began < 8
        over.set()
