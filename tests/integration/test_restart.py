"""SIGKILL in the middle of an epoch of each phase: the same model as a run left alone."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests import ROOT

_ARGUMENTS = (
    *("--preset=demo", "--image_size=32", "--batch_size=4", "--transfer_epochs=2", "--finetune_epochs=2"),
    *("--checkpoint_every_steps=5", "--log_every_steps=2", "--ema_decay=0.9", "--dropout=0.4"),
)


def _start(photo_folder, model_dir, log, *flags):
    command = [sys.executable, "-m", "trainers.main", f"--image_dir={photo_folder}", f"--model_dir={model_dir}"]
    # a session of its own, so that the kill reaches every child
    return subprocess.Popen(
        [*command, *_ARGUMENTS, *flags], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )


def _kill_in_phase(process, checkpoints, deadline=180.0):
    """Kills the process as soon as a checkpoint from the middle of an epoch (13 steps here) is there."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        steps = [int(path.name.split("-")[1]) for path in checkpoints.glob("step-*")]
        if any(step % 13 for step in steps):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    pytest.fail("no checkpoint appeared")


def test_a_killed_run_ends_with_the_bits_of_one_left_alone(photo_folder, tmp_path):
    with (tmp_path / "log.txt").open("w") as log:
        alone = _start(photo_folder, tmp_path / "alone", log)
        assert alone.wait() == 0
        for phase in ("transfer", "finetune"):
            again = _start(photo_folder, tmp_path / "killed", log, "--steps_per_execution=2")
            _kill_in_phase(again, tmp_path / "killed" / phase / "checkpoints")
            assert not (tmp_path / "killed" / phase / "metrics.json").exists()
        assert _start(photo_folder, tmp_path / "killed", log).wait() == 0
    assert (tmp_path / "log.txt").read_text().count("resuming from step") == 2
    for phase in ("transfer", "finetune"):
        left_alone, killed = (
            json.loads((tmp_path / name / phase / "metrics.json").read_text()) for name in ("alone", "killed")
        )
        for name in (name for name in list(killed) if name.endswith(("_second", "_seconds", "_fraction", "seconds"))):
            left_alone.pop(name), killed.pop(name)
        assert killed == left_alone  # weights_sha256, losses, confusion matrix and all
