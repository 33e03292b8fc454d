"""SIGTERM and SIGINT: the first stops the run at its next safe point, a second one at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import TypeVar

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_Value = TypeVar("_Value")


class Interrupted(BaseException):
    """A signal asked the run to stop. No Exception, so that no library takes it for an error of its own."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number


class StopRequest:
    """Whether the run was asked to stop. Only `on_signals` lets anyone ask.

    Example::

        with on_signals() as stop:
            for batch in stop.between(batches):  # raises Interrupted before the next batch
                ...

    Attributes:
      number: of the signal; None as long as nobody has asked.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._is_deferred = False

    def check(self) -> None:
        """Raises Interrupted if the run was asked to stop."""
        if self.number is not None:
            raise Interrupted(self.number)

    def between(self, values: Iterable[_Value]) -> Iterator[_Value]:
        """The values, with a check before each."""
        for value in values:
            self.check()
            yield value

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside the block a signal is heard at `check` alone; outside it raises Interrupted wherever it arrives."""
        before, self._is_deferred = self._is_deferred, True
        try:
            yield
        finally:
            self._is_deferred = before
        self.check()

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """The signal handler."""
        self.number = number
        if not self._is_deferred:
            raise Interrupted(number)


@contextlib.contextmanager
def on_signals() -> Iterator[StopRequest]:
    """Handles SIGTERM and SIGINT while the block runs; handlers found before are put back after it.

    Python runs a handler between two of its instructions, so not while TensorFlow compiles or computes, which
    can take minutes. A thread therefore listens too: it says that the signal was heard, and ends the process
    at the second one. A signal that is ignored (as SIGINT is under nohup) stays ignored.
    """
    request = StopRequest()
    heard, tell = os.pipe()
    os.set_blocking(tell, False)
    earlier_descriptor = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    earlier = {number: signal.signal(number, request.receive) for number in handled}
    listener = threading.Thread(target=_listen, args=(heard,), name="signals", daemon=True)
    listener.start()
    try:
        yield request
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(earlier_descriptor)
        os.close(tell)
        listener.join()  # so that what it says comes before what the caller says


def listen_again() -> None:
    """Puts Python's handlers back in place, whatever they are: TensorFlow puts its own there in a cluster."""
    if threading.current_thread() is not threading.main_thread():  # which alone handles signals
        return
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if handler is not None:  # None: not Python's affair
            signal.signal(number, handler)


def _listen(heard: int) -> None:
    """Reads the numbers of arriving signals, a byte each, until the other end is closed."""
    count = 0
    while received := os.read(heard, 1):
        if received[0] not in _SIGNALS:
            continue
        count += 1
        if count > 1:
            os._exit(128 + received[0])
        name = signal.Signals(received[0]).name
        with contextlib.suppress(OSError):  # a terminal that is gone
            os.write(2, f"\n{name}: stopping at the next safe point (a second one stops at once)\n".encode())
    os.close(heard)
