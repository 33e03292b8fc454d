"""A run of `make_config` that SIGKILL ends in the middle of the first epoch of a phase.

python -m tests.tools.killed_run PHOTOS MODEL_DIR PHASE [SETTINGS of training, as JSON [and of the data]]
"""

import dataclasses
import json
import os
import signal
import sys
import time
from pathlib import Path

import keras

from tests.configs import make_config, with_checkpoints
from trainers import experiment


class _Kill(keras.callbacks.Callback):
    """In the last of the 3 steps of an epoch, as soon as the checkpoint of step 2 is written."""

    def __init__(self, model_dir: Path, phase: str):
        super().__init__()
        self._model_dir, self._phase, self._steps = model_dir, phase, 0

    def on_train_begin(self, logs=None):
        self._steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        current = "finetune" if (self._model_dir / "transfer/metrics.json").exists() else "transfer"
        if (current, self._steps) == (self._phase, 3):
            while not (self._model_dir / current / "checkpoints/step-000000002").is_dir():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    photos, model_dir, phase, *settings = sys.argv[1:]
    training, data = [json.loads(text) for text in [*settings, "{}", "{}"][:2]]
    config = with_checkpoints(make_config(photos, model_dir, tensorboard=True, **training))
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, **data))
    experiment.run(config, callbacks=[_Kill(Path(model_dir), phase)])
