"""What the program says while it works: one logger, a line a message.

It is the standard library's logger `fast_fine_tuning`: `logging.getLogger("fast_fine_tuning")` sets its level or gives
it other handlers. Messages go to standard output, as it is when they are said. Standard library only.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import TextIO

_STUCK_S = 1.0


class _Handler(logging.StreamHandler):
    """To whatever `sys.stdout` is now: notebooks, tests and the command line exchange it."""

    to_stderr = False
    prefix = ""

    def __init__(self) -> None:
        logging.Handler.__init__(self)  # without a stream of its own

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr if self.to_stderr else sys.stdout

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "\n".join(f"{self.prefix}{line}" for line in text.splitlines()) if self.prefix and text else text

    def acquire_for_good(self) -> None:
        """Lets no thread write any more, unless one is stuck in it, whose reader may have stopped to read."""
        if self.lock:
            self.lock.acquire(timeout=_STUCK_S)

    def handleError(self, record: logging.LogRecord) -> None:
        """Raises what writing has raised: whoever wraps the stream decides what its loss means."""
        raise


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return False


log = logging.getLogger("fast_fine_tuning")
_handler = _Handler()
if log.level == logging.NOTSET:  # whoever has set it or given it handlers before this was imported keeps them
    log.setLevel(logging.INFO)
if not log.handlers:
    log.addHandler(_handler)
    log.propagate = False


def last_word(text: str) -> None:
    """Writes a line to standard error after which this process says nothing more: for a thread that ends it at once.

    While a thread writes, the others run, and what they say would come between the line and the end.
    """
    _handler.acquire_for_good()
    with contextlib.suppress(OSError, ValueError):  # a terminal that is gone
        sys.stdout.flush()
        sys.stderr.flush()
    with contextlib.suppress(OSError):
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):  # of libraries in C too
            os.dup2(nowhere, stream)
        os.write(kept, f"{text}\n".encode(errors="backslashreplace"))


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Says nothing while the block runs: in every process but the one of rank 0."""
    silence = _Silence()
    log.addFilter(silence)
    try:
        yield
    finally:
        log.removeFilter(silence)


@contextlib.contextmanager
def on_stderr() -> Iterator[None]:
    """Messages go to standard error while the block runs: where standard output is for answers."""
    before, _handler.to_stderr = _handler.to_stderr, True
    try:
        yield
    finally:
        _handler.to_stderr = before


@contextlib.contextmanager
def prefixed(text: str) -> Iterator[None]:
    """Every line of a message begins with `text` while the block runs: where something is done again, that is said."""
    before, _handler.prefix = _handler.prefix, text
    try:
        yield
    finally:
        _handler.prefix = before


def prefix() -> str:
    """What lines begin with now, for who writes them without the logger."""
    return _handler.prefix
