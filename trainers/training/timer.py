"""How long an epoch takes, and how much of it is waiting for input."""

import time
from collections.abc import Callable, Sequence
from typing import Any


class EpochTimer:
    """Time of an epoch's training steps, seconds, and the share of it spent waiting for input.

    The first call of the device in an epoch and process does not count, if there is another: it may trace and compile,
    or fill the pipeline.

    Args:
      carried: what `state` gave in a process that was stopped in the middle of the epoch.
    """

    def __init__(self, carried: Sequence[float] = (0.0, 0.0, 0.0, 0.0)) -> None:
        self.carried = carried
        self.started = self.last = time.perf_counter()
        self.measured_from = self.last
        self.steps, self.first, self.waited, self.waited_first = -1, 0, 0.0, 0.0

    def wait_for(self, get: Callable[[], Any]) -> Any:
        """The value of `get()`, whose time counts as waiting for input."""
        before = time.perf_counter()
        value = get()
        self.waited += time.perf_counter() - before
        return value

    def steps_done(self, count: int) -> None:
        """So many training steps, given to the device at once, have ended."""
        self.last = time.perf_counter()
        if self.steps >= 0:
            self.steps += count
            return
        self.steps, self.first = 0, count
        self.measured_from, self.waited_first, self.waited = self.last, self.waited, 0.0

    def stop(self) -> None:
        """The training steps of the epoch, fetched, have ended."""
        self.last = time.perf_counter()

    def state(self) -> list[float]:
        """Steps measured, their seconds, seconds of waiting, and seconds of everything."""
        waited = self.waited if self.steps >= 0 else 0.0
        here = (max(self.steps, 0), self.last - self.measured_from, waited, time.perf_counter() - self.started)
        return [before + now for before, now in zip(self.carried, here, strict=True)]

    def rates(self, global_batch: int) -> dict[str, float]:
        """Images a second, and the share of the time spent waiting for input."""
        steps, elapsed, waited, _ = self.state()
        if steps < 1:
            steps, elapsed, waited = self.first, self.last - self.started, self.waited_first
        elapsed = max(elapsed, 1e-9)
        return {"images_per_second": steps * global_batch / elapsed, "input_wait_fraction": min(1.0, waited / elapsed)}

    def seconds(self) -> float:
        """Of the epoch so far, validation included."""
        return self.state()[3]
