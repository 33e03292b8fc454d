"""Requests that are tried again, after growing pauses, until a time is over. Standard library only."""

import itertools
import re
import threading
import time
import zlib
from collections.abc import Callable
from typing import TypeVar

from ftdata.errors import UserError
from ftdata.log import log
from ftdata.remote.failures import Transient

_FIRST_S, _LONGEST_S = 0.25, 16.0
_A_TRY = 1 / 4  # of the time for all tries
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")

T = TypeVar("T")


class Patience:
    """Tries again what fails for a while; says so once for each kind of failure.

    Once something was given up, nothing is tried again any more, so that the run ends at once.

    Args:
      seconds: for which a request is tried before it is given up.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._said, self._lock = set[str](), threading.Lock()
        self._is_over = threading.Event()

    @property
    def of_a_try(self) -> float:
        """Seconds without a byte after which one try has failed."""
        return max(0.5, self.seconds * _A_TRY)

    def __call__(self, url: str, request: Callable[[], T]) -> T:
        """What the request returns.

        Args:
          url: what is asked for.
          request: raises Transient where it should be tried again; whatever else it raises is passed on.

        Raises:
          UserError: it failed for as long as there is patience.
        """
        deadline = time.monotonic() + self.seconds
        for tries in itertools.count(1):
            try:
                return request()
            except Transient as failure:
                pause = _pause(url, tries)
                if self._is_over.is_set() or time.monotonic() + pause >= deadline:
                    self._is_over.set()
                    raise UserError(
                        f"{url} could not be read in {self.seconds:g} s ({tries} tries, the last: {failure}); "
                        "--remote_timeout_s is for how long it is tried"
                    ) from failure
                self._say(str(failure), url)
                self._is_over.wait(pause)
        raise AssertionError("tries do not end")

    def _say(self, failure: str, url: str) -> None:
        kind = _NUMBER.sub("#", failure)
        with self._lock:
            is_new = kind not in self._said
            self._said.add(kind)
        if is_new:
            log.info(f"  note: {url}: {failure}; it is tried again, as whatever fails in this way")


def _pause(url: str, tries: int) -> float:
    """Seconds before the next try: doubled each time, and by up to a half shorter so that not all come at one time."""
    share = zlib.crc32(f"{url} {tries}".encode(errors="surrogateescape")) / 2**32
    return float(min(_LONGEST_S, _FIRST_S * 2 ** (tries - 1)) * (1 - share / 2))
