"""How long a run takes from the start of its process to the end of its first training step, and the memory it has then.

`python -m benchmarks.harness.first_step FLAGS` is such a run, with the flags of `trainers.main`.
"""

import contextlib
import json
import subprocess
import sys
import time
from typing import Any

import keras

import trainers
from benchmarks.harness import memory
from flags import train

_MARK = "first step: "


class Reached(Exception):
    """The first step is done, and nothing more is wanted."""


class _First(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        print(_MARK + json.dumps({"at": time.time(), "cpu_seconds": time.process_time(), **memory.now()}), flush=True)
        raise Reached


def measure(settings: dict[str, str], *, timeout: float) -> dict[str, float]:
    """`seconds` from the start of a process to its first step, `cpu_seconds` of all its threads, and its
    `benchmarks.harness.memory` there.

    Args:
      settings: values of flags of `trainers.main` by name.
      timeout: in seconds.

    Raises:
      RuntimeError: the run ended before it; its last lines are told.
    """
    written = [f"--{name}={value}" for name, value in settings.items()]
    began = time.time()
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.harness.first_step", *written],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    line = next((line for line in run.stdout.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise RuntimeError(f"no first step: {' '.join((run.stdout + run.stderr).splitlines()[-5:])}")
    found: dict[str, float] = json.loads(line.removeprefix(_MARK))
    return {"seconds": found.pop("at") - began, **found}


def main(argv: list[str]) -> None:
    """Runs until the first step."""
    with contextlib.suppress(Reached):
        trainers.run(train.parse(argv)[0], callbacks=[_First()])


if __name__ == "__main__":
    main(sys.argv)
