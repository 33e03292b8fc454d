"""When to stop: all workers in the same step, whichever of them was asked.

Between two steps a process by itself looks whether it was asked. Several cannot, because one that stops leaves the
others waiting for its gradients. So what each was asked travels with the sums of a step over all workers, and
all read it a few steps later, when it is there anyway.
"""

import collections
import signal
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from trainers.runtime.processes import ProcessGroup
from trainers.runtime.signals import Interrupted, StopRequest

_Value = TypeVar("_Value")
_BEHIND = 2  # steps, so that an accelerator has one to work on


class StopConsensus:
    """Whether to stop, decided alike in all processes.

    Args:
      stop: what this process was asked.
      processes: that train together.
    """

    def __init__(self, stop: StopRequest, processes: ProcessGroup):
        self.stop, self.processes = stop, processes
        self._results: collections.deque[Any] = collections.deque(maxlen=_BEHIND)

    @property
    def is_shared(self) -> bool:
        """Whether there is anybody to agree with."""
        return self.processes.size > 1

    def asked(self) -> float:
        """1 if this process was asked to stop, for the sum over all workers; else 0."""
        return float(self.stop.number is not None)

    def note(self, result: Any) -> None:
        """Takes what a training step returned; its last value sums `asked` over the workers."""
        if self.is_shared:
            self._results.append(result)

    def check(self) -> None:
        """Called before each step; raises Interrupted in all workers before the same step."""
        if not self.is_shared:
            self.stop.check()
        elif len(self._results) == _BEHIND and float(self._results[0][-1]) > 0:
            self._leave()

    def between(self, values: Iterable[_Value]) -> Iterator[_Value]:
        """The batches of an evaluation, which needs no other worker. They end early if anybody was asked to stop."""
        if not self.is_shared:
            yield from self.stop.between(values)
            return
        for value in values:
            if self.stop.number is not None and not self.processes.stop_asked:
                self.processes.ask_to_stop()
            if self.processes.stop_asked:
                return
            yield value

    def gather(self, arrays: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """The arrays of all workers after an evaluation, in rank 0; raises Interrupted in all if it ended early."""
        parts = self.processes.gather_objects(self.processes.stop_asked, arrays)
        if self.processes.broadcast_object(lambda: any(ended_early for ended_early, _ in parts)):
            self._leave()
        return [part for _, part in parts]

    def _leave(self) -> None:
        self.processes.is_leaving = True
        raise Interrupted(self.stop.number or signal.SIGTERM)
