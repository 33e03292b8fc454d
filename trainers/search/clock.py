"""How much of the time budget is used: time in which no process of the search lives does not count."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_EVERY_S = 2.0


class Clock:
    """Seconds used, kept in a file every two seconds, from where another start of the search goes on.

    Args:
      path: of the file; it need not be there.

    Example::

        clock = Clock(Path("runs/best/search_seconds.json"))
        with clock.running():
            ...
            clock.used  # seconds
    """

    def __init__(self, path: Path):
        self._path = path
        try:
            self._before = max(0.0, float(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            self._before = 0.0
        self._began: float | None = None

    @property
    def used(self) -> float:
        """Seconds, this start included."""
        return self._before + (0.0 if self._began is None else time.monotonic() - self._began)

    @contextlib.contextmanager
    def running(self) -> Iterator["Clock"]:
        """Counts while the block runs."""
        self._began, ended = time.monotonic(), threading.Event()

        def keep() -> None:
            while not ended.wait(_EVERY_S):
                self._keep()

        thread = threading.Thread(target=keep, name="clock", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()
            self._keep()

    def _keep(self) -> None:
        temporary = self._path.with_name(f".tmp-{self._path.name}")
        with contextlib.suppress(OSError):  # a full disk is said by what matters more
            temporary.write_text(json.dumps(round(self.used, 2)), encoding="utf-8")
            temporary.replace(self._path)
