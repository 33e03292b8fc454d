"""What Keras writes while it fetches a file, in the words of this project: which file, once it comes, and a bar for
whoever watches a terminal."""

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import TextIO

from ftdata.log import log

_ANNOUNCED = "Downloading data from "
_OF_A_BAR = ("\b", "\r", "\x1b", "━")


class _Output(io.TextIOBase):
    """In the place of standard output, where Keras writes; everything else goes on to it.

    Keras announces a download before it is tried. It is said when the first bytes are there, which the bar tells:
    where there is no network, the error that follows says all.
    """

    def __init__(self, before: TextIO):
        self._before = before
        self._address: str | None = None

    def isatty(self) -> bool:
        """Keras draws its bar on a terminal alone, and is to draw it always."""
        return True

    def write(self, text: str) -> int:
        if text.startswith(_ANNOUNCED):
            self._address = text.removeprefix(_ANNOUNCED).strip()
        elif any(sign in text for sign in _OF_A_BAR):
            self._say()
            if sys.stderr and sys.stderr.isatty():
                sys.stderr.write(text)
        else:
            self._before.write(text)
        return len(text)

    def flush(self) -> None:
        self._before.flush()

    def _say(self) -> None:
        if self._address:
            with contextlib.redirect_stdout(self._before):
                log.info(f"fetching {self._address}")
        self._address = None


@contextlib.contextmanager
def in_our_words() -> Iterator[None]:
    """Of what Keras fetches while the block runs, the address is logged once it comes; the bar is for a terminal."""
    with contextlib.redirect_stdout(_Output(sys.stdout)):
        yield
