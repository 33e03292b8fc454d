"""The start of a run as one process or several: which they are, that they agree, and their devices."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from ftdata.sources.source import Source
from trainers.config import OTHER_PHASES, TrainConfig, settings
from trainers.rundir import fingerprint
from trainers.runtime import cluster, signals
from trainers.runtime import devices as strategy
from trainers.runtime.processes import Team, joined

# Where things lie may differ from machine to machine; the pictures themselves are compared.
_LOCAL = (
    "model_dir",
    "data_dir",
    "manual_dir",
    "image_dir",
    "labels_csv",
    "cache",
    "disk_cache_gib",
    "profile_steps",
    "tensorboard",
)


@contextlib.contextmanager
def start(config: TrainConfig) -> Iterator[tuple[Team, tf.distribute.Strategy]]:
    """The team of this process and the devices of all, while the block runs. Only the chief prints.

    Raises:
      ValueError: a cluster that cannot be used, or a worker that did not come or has other settings.
    """
    name = config.runtime.distribution_strategy
    found = None if config.phase in OTHER_PHASES else cluster.find(name)
    with contextlib.ExitStack() as stack:
        team = stack.enter_context(
            joined(found, _shared(config) if found else {}, timeout_s=config.runtime.worker_timeout_s)
        )
        if found:
            print(f"worker {found.index} of {len(found.workers)} at {found.workers[found.index]}", flush=True)
        if not team.is_chief:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8", errors="replace"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        with team.joining():
            devices = strategy.create(name, found)
        signals.listen_again()
        yield team, devices


def check_data(team: Team, source: Source) -> None:
    """Checks that every worker has the same pictures as the chief.

    Raises:
      ValueError: in the chief, which of them has others, and how they differ.
    """
    if team.size == 1:
        return
    whole = team.gather(fingerprint.of_data(source))
    for index, (theirs, _) in enumerate(whole):
        differences = fingerprint.data_differences(whole[0][0], theirs)
        if differences:
            lines = "".join(f"  {line}\n" for line in differences)
            raise ValueError(
                f"worker {index} has other pictures than the chief:\n{lines}Give all workers the same files"
            )


def _shared(config: TrainConfig) -> dict[str, Any]:
    """What has to be the same in all workers, as JSON values."""
    code = {name: version for name, version in fingerprint.of_code().items() if name != "python"}
    chosen = {field.name: value for field, value in settings(config) if field.name not in _LOCAL}
    return {**fingerprint.of_settings(chosen), **code}
