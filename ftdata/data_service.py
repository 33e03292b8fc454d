"""Training images decoded on other machines, by the workers of a tf.data service, in the order of one machine.

The service deals batches to whichever of its workers is free, so they come back in any order; each carries its number,
and is held back here until its turn. What trains is the same as without the service, as long as its workers read the
same files with the same version of TensorFlow.
"""

import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from ftdata.decoding import reading
from ftdata.errors import UserError
from ftdata.remote.reader import RemoteReader
from ftdata.sources.source import Source

_HELD_BACK = 256  # batches that may overtake a missing one; workers run ahead of each other by less
_AHEAD = 2  # batches that wait here for the training step


def check(address: str, source: Source, *, timeout_s: float = 10.0) -> None:
    """Whether the service can be used.

    Args:
      address: of its dispatcher, grpc://HOST:PORT.
      source: the images, which have to be files.
      timeout_s: seconds to wait for a connection.

    Raises:
      UserError: images that only this process can read.
      ConnectionError: nobody listens there.
    """
    if source.train.paths is None or source.train.records or isinstance(source.train.read, RemoteReader):
        raise UserError(f"data_service cannot be used for {source.name}: its workers read image files by their paths")
    if isinstance(source.train.read, reading.Transcoding):
        raise UserError(
            f"data_service cannot be used for {source.name}: its TIFF, HEIC or AVIF images are read in this process "
            "alone; save them as JPEG or PNG"
        )
    host, _, port = address.removeprefix("grpc://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s).close()
    except OSError as error:
        raise ConnectionError(
            f"data_service: no tf.data dispatcher at {address} ({error.strerror or error}); start one, or run "
            "without --data_service"
        ) from None


def in_order(numbered: tf.data.Dataset, address: str, *, first: int, silence_s: float) -> Iterator[Any]:
    """The batches of a data set, made by the workers of a service.

    Args:
      numbered: (number int64 [], batch), numbers rising by one from `first`; made of a range and graph operations.
      address: of the dispatcher.
      first: the first number.
      silence_s: seconds to wait for a batch.

    Yields:
      The batches, in host memory.

    Raises:
      ConnectionError: a worker took a batch with it when it ended, or none sends any.
    """
    everywhere = tf.data.experimental.service.ShardingPolicy.DYNAMIC
    served = numbered.apply(tf.data.experimental.service.distribute(everywhere, address))
    arrived: queue.Queue = queue.Queue(_AHEAD)
    ended = threading.Event()
    threading.Thread(target=_receive, args=(served, arrived, ended), name="data_service", daemon=True).start()
    held: dict[int, Any] = {}
    advice = "see that its workers run and reach the images; the same command resumes from what is saved"
    try:
        while True:
            while first not in held:
                try:
                    item = arrived.get(timeout=silence_s)
                except queue.Empty:
                    raise ConnectionError(
                        f"data_service: no batch for {silence_s:g} s from {address}; {advice}"
                    ) from None
                if isinstance(item, Exception):
                    raise ConnectionError(f"data_service: {str(item).splitlines()[0]}; {advice}") from None
                if item is None and not held:
                    return
                if item is None or len(held) >= _HELD_BACK:
                    raise ConnectionError(f"data_service: the batch of step {first} was lost with a worker; {advice}")
                held[int(item[0])] = item[1]
            yield held.pop(first)
            first += 1
    finally:
        ended.set()


def _receive(served: tf.data.Dataset, arrived: queue.Queue, ended: threading.Event) -> None:
    """Hands on what comes: pairs, then None, or an exception."""

    def hand_on(item: Any) -> None:
        while not ended.is_set():
            try:
                return arrived.put(item, timeout=0.1)
            except queue.Full:
                continue

    try:
        with tf.device("CPU:0"):
            for item in served:
                hand_on(item)
                if ended.is_set():
                    return
        hand_on(None)
    except Exception as error:  # whatever it is, the thread that trains has to hear of it
        hand_on(error)
