"""A run of `make_config` that is tracked; SIGKILL ends it once the point of a step is on the server, if one is named.

python -m tests.tools.tracked_run PHOTOS MODEL_DIR [STEP]
"""

import dataclasses
import os
import signal
import sys

from tests.configs import make_config, with_checkpoints
from trainers import experiment
from trainers.tracking.tracked_run import TrackedRun


def _killed_after(step: int) -> None:
    write = TrackedRun._write

    def then_killed(self, values, *, step):
        write(self, values, step=step)
        if step == last:
            os.kill(os.getpid(), signal.SIGKILL)

    last, TrackedRun._write = step, then_killed


if __name__ == "__main__":
    photos, model_dir, *last = sys.argv[1:]
    if last:
        _killed_after(int(last[0]))
    config = with_checkpoints(make_config(photos, model_dir))
    experiment.run(dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, track="mlflow")))
