"""Write files while training goes on."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any


class BackgroundWriter:
    """One thread that writes one thing at a time, in order.

    An error in it is raised at the next `submit` or `wait`, or at the end of the `with` block, which waits.
    `seconds` is what writing took.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._running: Future[Any] | None = None

    def submit(self, write: Callable[[], Any]) -> None:
        """Starts to write, when what was submitted before is written."""
        self.wait()
        self._running = self._pool.submit(self._timed, write)

    def wait(self) -> None:
        """Returns when everything is written."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def _timed(self, write: Callable[[], Any]) -> None:
        start = time.perf_counter()
        try:
            write()
        finally:
            self.seconds += time.perf_counter() - start

    def __enter__(self) -> "BackgroundWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(Exception) if error else contextlib.nullcontext():  # the first error is the cause
            self.wait()
        self._pool.shutdown()
