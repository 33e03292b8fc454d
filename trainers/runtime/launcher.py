"""The start of a run as one process or several: which they are, that they agree, and their devices."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from ftdata.log import log, silenced
from trainers.config import RuntimeConfig
from trainers.runtime import cluster, signals
from trainers.runtime.devices import make_strategy
from trainers.runtime.processes import ProcessGroup, joined


@contextlib.contextmanager
def launch(
    config: RuntimeConfig, *, shared: Callable[[], dict[str, Any]] | None = None
) -> Iterator[tuple[ProcessGroup, tf.distribute.Strategy]]:
    """The processes that train together and the devices of all, while the block runs. Only rank 0 prints.

    Args:
      config: the strategy, and how long to wait for a worker.
      shared: makes JSON values that have to be the same in all workers; None for a process that works by itself,
        whatever cluster it stands in.

    Raises:
      UserError: a cluster that cannot be used, or a worker that did not come or has other settings.
    """
    name = config.distribution_strategy
    found = cluster.find(name) if shared else None
    with contextlib.ExitStack() as stack:
        settings = shared() if shared and found else {}
        processes = stack.enter_context(joined(found, settings, timeout_s=config.worker_timeout_s))
        if found:
            log.info(f"worker {found.index} of {len(found.workers)} at {found.workers[found.index]}")
        if not processes.is_chief:
            stack.enter_context(silenced())
        with processes.joining():
            devices = make_strategy(name, found)
        signals.listen_again()
        yield processes, devices
