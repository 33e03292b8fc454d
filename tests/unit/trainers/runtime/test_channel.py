"""What a worker may be sent, or not sent, by another: over real sockets, each case ends with a reason."""

import contextlib
import json
import queue
import random
import resource
import socket
import struct
import threading
import time

import numpy as np
import pytest

from trainers.runtime.channel import Channel, Lost

_TIMEOUT_S = 1.0
_HEAD = struct.Struct("!cQ")


def frame(kind, content=b""):
    return _HEAD.pack(kind, len(content)) + content


def message(header, rest=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return frame(b"m", struct.pack("!Q", len(text)) + text + rest)


@pytest.fixture
def connect():
    """Makes a channel over TCP: (channel, the socket of its peer, a queue of how it ended)."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def make(timeout_s=_TIMEOUT_S):
            peer = stack.enter_context(socket.create_connection(server.getsockname()))
            own = stack.enter_context(server.accept()[0])
            ended = queue.SimpleQueue()
            channel = Channel(
                own,
                peer="worker 1",
                timeout_s=timeout_s,
                on_stop=lambda: None,
                on_end=lambda reason, status: ended.put((reason, status)),
            )
            stack.callback(channel.close)
            return channel, peer, ended

        yield make


def _keep_alive(peer, until):
    """Signs of life, as another process sends them whatever its main thread does."""
    while not until.wait(_TIMEOUT_S / 6):
        try:
            peer.sendall(frame(b"."))
        except OSError:
            return


@pytest.mark.parametrize(
    "content",
    [
        _HEAD.pack(b"m", 1 << 39),  # announced, never sent: as much memory as no machine has
        _HEAD.pack(b"m", 1 << 63),
        _HEAD.pack(b".", 1 << 30),
        frame(b"?"),
        frame(b"m", b"abc"),
        frame(b"m", struct.pack("!Q", 1 << 40) + b"{}"),
        message({}),
        message([]),
        message(b"[" * 100_000),
        message(b"\xff\xfe"),
        message({"value": 1, "arrays": [["|O", [1]]]}, b"12345678"),
        message({"value": 1, "arrays": [["zz", [1]]]}, b"1234"),
        message({"value": 1, "arrays": [["<f4", [-1]]]}, b"1234"),
        message({"value": 1, "arrays": [["<f4", [1 << 33, 1 << 33]]]}, b"1234"),
        message({"value": 1, "arrays": [["<f4", "x"]]}, b"1234"),
        message({"value": 1, "arrays": []}, b"1234"),
        frame(b"b", b"5"),
        frame(b"b", b'["", "soon"]'),
        frame(b"b", b'["", 256]'),
        frame(b"b", b"[" * 100_000),
    ],
)
def test_what_makes_no_sense_ends_the_connection_although_the_peer_is_alive(content, connect):
    channel, peer, ended = connect()
    peer.sendall(content)
    over = threading.Event()
    threading.Thread(target=_keep_alive, args=(peer, over), daemon=True).start()
    reason, status = ended.get(timeout=_TIMEOUT_S + 2)
    over.set()
    assert reason.startswith("worker 1 sends what cannot be understood (")
    assert "\n" not in reason
    assert status == 1
    with pytest.raises(Lost):
        channel.receive()


def test_messages_that_nobody_asks_for_are_too_many_at_last(connect):
    _, peer, ended = connect()
    with contextlib.suppress(OSError):
        peer.sendall(message({"value": None, "arrays": []}) * 1100)
    assert "1000 messages that nobody has asked for" in ended.get(timeout=5)[0]


@pytest.mark.parametrize("said", [b"", _HEAD.pack(b"m", 100)[:5], _HEAD.pack(b"m", 100), frame(b"m", b"12345678")[:12]])
def test_a_peer_that_falls_silent_is_given_up(said, connect):
    _, peer, ended = connect(timeout_s=0.3)
    peer.sendall(said)
    assert ended.get(timeout=3)[0] == "worker 1 has been silent for 0.3 s"


def test_a_peer_that_sends_byte_by_byte_is_given_up(connect):
    _, peer, ended = connect(timeout_s=0.5)
    began = time.monotonic()
    for byte in message({"value": "x" * 100, "arrays": []}):
        if not ended.empty():
            break
        with contextlib.suppress(OSError):
            peer.sendall(bytes([byte]))
        time.sleep(0.1)
    assert ended.get(timeout=3)[0] == "worker 1 is gone (what it sends comes too slowly)"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("bytes_a_look", [0, 1])
def test_a_peer_that_takes_nothing_or_next_to_nothing_is_given_up(bytes_a_look, connect):
    channel, peer, _ = connect(timeout_s=0.5)
    over = threading.Event()

    def sip():
        while bytes_a_look and not over.wait(0.05):
            peer.recv(bytes_a_look)

    threading.Thread(target=sip, daemon=True).start()
    threading.Thread(target=_keep_alive, args=(peer, over), daemon=True).start()
    began = time.monotonic()
    with pytest.raises(Lost, match="worker 1 is gone"):
        channel.send(arrays=[np.zeros(1 << 25, np.uint8)])
    over.set()
    assert time.monotonic() - began < 35


def test_a_peer_that_is_gone_is_noticed_at_once(connect):
    channel, peer, ended = connect(timeout_s=30)
    peer.close()
    assert ended.get(timeout=2)[0].startswith("worker 1 is gone")
    with pytest.raises(Lost):
        channel.receive()


def test_damaged_streams_end_or_are_understood_within_bounded_memory(connect):
    """300 streams of real frames with bytes changed, cut out, doubled and inserted."""
    draw = random.Random(0)
    arrays = [["<f4", [2, 3]], ["|u1", [5]], ["<i8", []]]
    real = [
        frame(b"."),
        message({"value": {"a": [1, "b", None]}, "arrays": arrays}, bytes(24 + 5 + 8)),
        frame(b"s"),
        message({"value": None, "arrays": []}),
        frame(b"b", b'["done", 1]'),
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(300):
        stream = bytearray(b"".join(draw.choices(real, k=4)))
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(stream))
            change = draw.choice(("set", "cut", "double", "insert"))
            if change == "set":
                stream[place] = draw.randrange(256)
            elif change == "cut":
                del stream[place : place + draw.randint(1, 9)]
            elif change == "double":
                stream[place:place] = stream[place : place + draw.randint(1, 40)]
            else:
                stream[place:place] = draw.randbytes(draw.randint(1, 9))
            stream = stream or bytearray(1)
        channel, peer, ended = connect()
        peer.sendall(stream)
        peer.shutdown(socket.SHUT_WR)
        reason, status = ended.get(timeout=5)
        assert isinstance(reason, str)
        assert 0 <= status <= 255
        with contextlib.suppress(Lost):
            while True:
                channel.receive()
        channel.close()
        peer.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB
