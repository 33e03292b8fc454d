"""The start of a run as one process or several: which they are, that they agree, and their devices."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from trainers.config import RuntimeConfig
from trainers.runtime import cluster, signals
from trainers.runtime.devices import make_strategy
from trainers.runtime.processes import ProcessGroup, joined


@contextlib.contextmanager
def launch(
    config: RuntimeConfig, *, alone: bool, shared: Callable[[], dict[str, Any]]
) -> Iterator[tuple[ProcessGroup, tf.distribute.Strategy]]:
    """The team of this process and the devices of all, while the block runs. Only the chief prints.

    Args:
      config: the strategy, and how long to wait for a worker.
      alone: this process works by itself, whatever cluster it stands in.
      shared: JSON values that have to be the same in all workers.

    Raises:
      ValueError: a cluster that cannot be used, or a worker that did not come or has other settings.
    """
    name = config.distribution_strategy
    found = None if alone else cluster.find(name)
    with contextlib.ExitStack() as stack:
        processes = stack.enter_context(joined(found, shared() if found else {}, timeout_s=config.worker_timeout_s))
        if found:
            print(f"worker {found.index} of {len(found.workers)} at {found.workers[found.index]}", flush=True)
        if not processes.is_chief:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8", errors="replace"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        with processes.joining():
            devices = make_strategy(name, found)
        signals.listen_again()
        yield processes, devices
