"""An object in a process of its own, so that its memory is its own, called from here."""

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

_made: list[Any] = []  # the object, in the process that holds it


class Worker:
    """Makes `kind(*arguments)` in a new process; `call` runs its methods there, one at a time."""

    def __init__(self, kind: Callable[..., Any], *arguments: Any):
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        with quiet_start():
            self.ready = self._pool.submit(_make, kind, arguments)

    def call(self, method: str, *arguments: Any) -> Any:
        """What the method returns, or raises.

        Raises:
          BrokenProcessPool: the process died, for want of memory perhaps.
        """
        return self.begin(method, *arguments).result()

    def begin(self, method: str, *arguments: Any) -> Future[Any]:
        """Starts a call; it runs when those before it are done."""
        return self._pool.submit(_call, method, arguments)

    def close(self) -> None:
        """Ends the process once its call is done."""
        self._pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def start_all(sides: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Worker]]:
    """Workers by name, from (kind, *arguments) by name; all are ready, and end with the block."""
    with contextlib.ExitStack() as stack:
        workers = {
            name: stack.enter_context(contextlib.closing(Worker(kind, *arguments)))
            for name, (kind, *arguments) in sides.items()
        }
        for worker in workers.values():
            worker.ready.result()
        yield workers


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Lets a process started in this block load TensorFlow as quietly as this one did, which left its log level
    behind."""
    level = os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
    if level not in (None, "3"):
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = str(level)
    try:
        yield
    finally:
        if level is not None:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = level


def _make(kind: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    _made.append(kind(*arguments))


def _call(method: str, arguments: tuple[Any, ...]) -> Any:
    return getattr(_made[0], method)(*arguments)
