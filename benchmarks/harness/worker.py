"""An object in a process of its own, so that its memory is its own, ordered about from here."""

import contextlib
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any


class Worker:
    """Makes `kind(*arguments)` in a new process; `call` runs its methods there, one at a time."""

    def __init__(self, kind: Callable[..., Any], *arguments: Any):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, kind, arguments), daemon=True)
        with quiet_start():
            self._process.start()
        theirs.close()
        self._name = kind.__name__
        self._owed = 1  # replies: the first says that `kind` is made

    def call(self, method: str, *arguments: Any) -> Any:
        """What the method returns.

        Raises:
          RuntimeError: it failed, or the process died.
        """
        self.begin(method, *arguments)
        return self.wait()

    def begin(self, method: str, *arguments: Any) -> None:
        """Starts a call; `wait` returns its result."""
        self.wait()
        self._pipe.send((method, arguments))
        self._owed += 1

    def wait(self) -> Any:
        """What the call returns that was begun last; None if it was waited for before.

        Raises:
          RuntimeError: as `call`.
        """
        result = None
        while self._owed:
            result, self._owed = self._receive(), self._owed - 1
        return result

    def _receive(self) -> Any:
        try:
            error, result = self._pipe.recv()
        except EOFError:
            self._process.join()
            reason = f"the process of {self._name} died with status {self._process.exitcode} (out of memory?)"
            raise RuntimeError(reason) from None
        if error:
            raise RuntimeError(f"{self._name} failed:\n{error}")
        return result

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self._process.join()


class Workers:
    """Workers by name, from (kind, *arguments) by name, that end together with the block."""

    def __init__(self, sides: Mapping[str, tuple[Any, ...]]):
        self._sides, self._made = sides, dict[str, Worker]()

    def __enter__(self) -> dict[str, Worker]:
        for name, (kind, *arguments) in self._sides.items():
            self._made[name] = Worker(kind, *arguments)
        for worker in self._made.values():
            worker.wait()
        return self._made

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._made.values():
            worker.close()


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


def _serve(pipe: Connection, kind: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        made = kind(*arguments)
        pipe.send((None, None))
        while True:
            method, given = pipe.recv()
            pipe.send((None, getattr(made, method)(*given)))
    except EOFError:  # closed from the other side
        return
    except Exception:
        pipe.send((traceback.format_exc(), None))
