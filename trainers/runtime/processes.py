"""The processes that train together, seen from one of them.

TensorFlow's collective operations carry gradients. Everything else goes over connections between rank 0 and
each other worker: decisions, the checkpoint of rank 0, scores, and signs of life. A worker that dies leaves the
others inside a collective operation that may never return, so threads watch, and end the process.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from typing_extensions import override

from ftdata.log import last_word
from trainers.runtime import rendezvous, sentinel
from trainers.runtime.channel import Channel
from trainers.runtime.cluster import Cluster
from trainers.runtime.signals import Interrupted

_Value = TypeVar("_Value")
_LONGEST_START_S = 600.0  # until all workers are there: schedulers start them one by one
_ADVICE = "the same command on every worker resumes from what is saved"
_FAREWELL_S = 3.0  # for goodbyes to workers that may not listen any more
# what a collective operation raises when another worker is gone, if it does not hang
_LEFT_ALONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class ProcessGroup:
    """The processes that train together; this class is a process by itself, its own rank 0.

    What one of the calls sends must be matched by the same call in every process, in the same order.

    Example::

        size, policy = processes.broadcast_object(lambda: [96, "float32"])  # rank 0 decides for all
        parts = processes.gather_objects(None, [own_scores])                # in rank 0: one entry for each process
        processes.broadcast_variables(model.weights)
        processes.barrier()

    Attributes:
      size: number of processes.
      index: of this one, from 0.
      is_chief: whether this is rank 0, which alone writes files.
      stop_asked: whether anybody asked any of them to stop, as far as it is known here.
      is_leaving: this process is about to end for a reason that all of them know.
      is_done: all that is left to do here is to wait for the others.
    """

    size, index, is_chief = 1, 0, True
    stop_asked = False  # by any process, as far as it is known here
    is_leaving = False
    is_done = False  # all that is left to do is to wait for the others

    def broadcast_object(self, make: Callable[[], _Value]) -> _Value:
        """What `make` returns in rank 0, which alone calls it: a JSON value (a tuple becomes a list)."""
        return make()

    def broadcast_variables(self, variables: Sequence[Any]) -> None:
        """Assigns the values of rank 0 to the variables of all workers."""

    def gather_objects(self, value: Any, arrays: Sequence[np.ndarray] = ()) -> list[tuple[Any, list[np.ndarray]]]:
        """The JSON values and arrays of all workers in order, in rank 0; nothing in the others."""
        return [(value, list(arrays))]

    def barrier(self) -> None:
        """Returns when all workers have come here."""

    @contextlib.contextmanager
    def failing_together(self, kind: type[Exception]) -> Iterator[None]:
        """An error of this kind in the block of one worker is raised in all of them, when all have come to its end."""
        yield

    def ask_to_stop(self) -> None:
        """Lets everybody know that somebody asked this process to stop."""

    def joining(self) -> contextlib.AbstractContextManager[None]:
        """Stands around the call in which TensorFlow joins the workers."""
        return contextlib.nullcontext()


class Workers(ProcessGroup):
    """Several processes, as one of them sees them.

    Args:
      cluster: they are.
      connections: to them, by index: of rank 0 to all others, of another to rank 0.
      timeout_s: seconds of silence after which a worker counts as dead.
    """

    def __init__(self, cluster: Cluster, connections: Mapping[int, socket.socket], *, timeout_s: float):
        self.size, self.index, self.is_chief = len(cluster.workers), cluster.index, cluster.index == 0
        self._ending, self._connections = threading.Lock(), connections
        self._channels: dict[int, Channel] = {}  # there before the first of them listens, and may end all
        for index, connection in sorted(connections.items()):
            self._channels[index] = Channel(
                connection,
                peer=f"{'rank 0' if index == 0 else f'worker {index}'} ({cluster.workers[index]})",
                timeout_s=timeout_s,
                on_stop=self.ask_to_stop if self.is_chief else self._note_stop,
                on_end=self._end,
            )

    @override
    def broadcast_object(self, make: Callable[[], _Value]) -> _Value:
        if not self.is_chief:
            return self._channels[0].receive()[0]
        value = make()
        for channel in self._channels.values():
            channel.send(value)
        return value

    @override
    def broadcast_variables(self, variables: Sequence[Any]) -> None:
        if self.is_chief:
            values = [np.asarray(variable.numpy()) for variable in variables]
            for channel in self._channels.values():
                channel.send(arrays=values)
            return
        for variable, value in zip(variables, self._channels[0].receive()[1], strict=True):
            variable.assign(value)

    @override
    def gather_objects(self, value: Any, arrays: Sequence[np.ndarray] = ()) -> list[tuple[Any, list[np.ndarray]]]:
        if self.is_chief:
            return [(value, list(arrays)), *(channel.receive() for channel in self._channels.values())]
        self._channels[0].send(value, arrays)
        return []

    @override
    def barrier(self) -> None:
        self.gather_objects(None)
        self.broadcast_object(lambda: None)

    @override
    @contextlib.contextmanager
    def failing_together(self, kind: type[Exception]) -> Iterator[None]:
        failure: Exception | None = None
        try:
            yield
        except kind as error:
            failure = error
        parts = self.gather_objects(str(failure) if failure else None)
        said = self.broadcast_object(lambda: [reason for reason, _ in parts])
        failed = [index for index, reason in enumerate(said) if reason is not None]
        if failure:
            raise failure
        if failed:
            raise kind(f"worker {failed[0]}: {said[failed[0]]}")

    @override
    def ask_to_stop(self) -> None:
        self._note_stop()
        for channel in list(self._channels.values()):
            channel.ask_to_stop()

    @override
    def joining(self) -> contextlib.AbstractContextManager[None]:
        # the threads of the channels stand still meanwhile, and a process watches instead of them
        peers = {channel.peer: self._connections[index] for index, channel in self._channels.items()}
        return sentinel.watching(peers, limit_s=_LONGEST_START_S, advice=_ADVICE)

    def close(self, reason: str = "", *, status: int = 0) -> None:
        """Says goodbye to all at once, for a limited time: one that takes nothing any more holds up nobody."""
        end = time.monotonic() + _FAREWELL_S
        threads = [
            threading.Thread(target=channel.close, args=(reason,), kwargs={"status": status}, daemon=True)
            for channel in list(self._channels.values())
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _note_stop(self) -> None:
        self.stop_asked = True

    def _end(self, reason: str, status: int) -> None:
        """Ends this process, which may be inside an operation that never returns, because another one has ended."""
        if self.is_leaving or (status == 0 and self.is_done):
            return
        with self._ending:
            try:
                reason, status = reason or "another worker has left before the end", status or 1
                self.close(reason, status=status)
                last_word(f"stopped: {reason}; {_ADVICE}")
            finally:
                os._exit(status or 1)


ALONE = ProcessGroup()


@contextlib.contextmanager
def joined(cluster: Cluster | None, settings: Mapping[str, Any], *, timeout_s: float) -> Iterator[ProcessGroup]:
    """The processes that train together, while the block runs; an error that ends this one ends all.

    Args:
      cluster: None for a process by itself.
      settings: what has to be the same in all processes, as JSON values.
      timeout_s: seconds of silence after which a worker counts as dead.

    Raises:
      UserError: a worker did not come, or came with other settings.
    """
    if cluster is None:
        yield ALONE
        return
    connections = rendezvous.meet(cluster, settings, wait_s=max(_LONGEST_START_S, timeout_s))
    processes = Workers(cluster, connections, timeout_s=timeout_s)
    me = f"worker {cluster.index} ({cluster.workers[cluster.index]})"
    try:
        yield processes
        processes.is_done = True
        processes.barrier()
    except Interrupted as signal:
        processes.close(f"{me} was stopped by {signal}", status=signal.exit_status)
        raise
    except _LEFT_ALONE:
        time.sleep(timeout_s + 1)  # if it is because a worker is gone, that is noticed now, and ends this process
        processes.close(f"{me} failed", status=1)
        raise
    except BaseException as error:
        processes.close(f"{me} ended: {error}", status=1)
        raise
    processes.close()
