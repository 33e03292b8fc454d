"""Standard output and standard error of the command line, which may be closed, full, in ASCII, or read no further.

What a run computes is worth more than what it prints. So a run that writes files continues when nobody reads its output
any more; one that only prints (help, check, predict) ends there, as `head` expects. What the encoding of a stream
lacks is written as an escape.
"""

import contextlib
import errno
import io
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

_OUTPUT, _ERROR = 1, 2


class OutputLost(OSError):
    """Standard output cannot be written any more, and there is no use in running without it."""

    @property
    def exit_status(self) -> int:
        """As of a program that SIGPIPE has ended, where the reader has left."""
        return 128 + signal.SIGPIPE if self.errno == errno.EPIPE else 1


class Output:
    """Standard output: `continues` is whether its loss is no reason to stop."""

    continues = False

    def lost(self, error: OSError) -> None:
        """Called once, with the first error of writing; raises OutputLost if there is no use in running without it."""
        if not self.continues:
            raise OutputLost(error.errno, error.strerror, "standard output")
        note = f"note: standard output is gone ({error.strerror}): the run continues, and its results are in its files"
        print(note, file=sys.stderr, flush=True)


def run(main: Callable[[Output], int]) -> int:
    """Calls `main` with streams that can be relied on; returns its exit status, or that of a lost output."""
    output = Output()
    try:
        with _safe(output):
            return main(output)
    except OutputLost as error:
        if error.errno != errno.EPIPE:
            print(f"error: {error.strerror}: standard output", file=sys.stderr)
        return error.exit_status


@contextlib.contextmanager
def _safe(output: Output) -> Iterator[None]:
    _fill_gaps()
    before = sys.stdout, sys.stderr
    sys.stderr = _wrapped(sys.stderr, _ERROR, lambda error: None)
    sys.stdout = _wrapped(sys.stdout, _OUTPUT, output.lost)
    try:
        yield
        sys.stdout.flush()
    finally:
        with contextlib.suppress(OSError):  # after another error this one says nothing new
            sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def _fill_gaps() -> None:
    """Opens the null device where the shell has closed a standard stream (`>&-`).

    The next file would get its number otherwise, and what libraries in C print would go into it.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)  # the lowest number that is free
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)


def _wrapped(stream: Any, number: int, lost: Callable[[OSError], None]) -> Any:
    """The stream over a file that fails at most once; a stream that somebody else has put there stays."""
    if stream is not None:
        try:
            if stream.fileno() != number:
                return stream
        except (OSError, ValueError, AttributeError):
            return stream
        with contextlib.suppress(OSError):
            stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(number, lost)),
        encoding=stream.encoding if stream else "utf-8",
        errors="backslashreplace",
        line_buffering=stream.line_buffering if stream else False,
        write_through=stream.write_through if stream else False,
    )


class _Descriptor(io.RawIOBase):
    """Writes to a descriptor until that fails, and drops the rest."""

    def __init__(self, number: int, lost: Callable[[OSError], None]):
        self._number, self._lost, self._is_lost = number, lost, False

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        while not self._is_lost:
            try:
                return os.write(self._number, content)
            except BlockingIOError:  # another program has set the terminal so
                select.select([], [self._number], [])
            except OSError as error:
                self._is_lost = True
                self._lost(error)
        return len(content)
