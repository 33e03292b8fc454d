"""SIGKILL in the middle of an epoch of each phase: the same model as a run left alone."""

import shutil
import signal
import subprocess
import sys

import pytest

from tests import ROOT
from tests.configs import make_config, with_checkpoints
from tests.tools.kills import differences
from trainers import experiment


@pytest.mark.slow  # stopped by a signal, in this process: test_interrupt
@pytest.mark.parametrize("phase", ["transfer", "finetune"])
def test_a_killed_run_ends_with_the_bits_of_one_left_alone(run_alone, photo_folder, tmp_path, capsys, phase):
    model_dir = tmp_path / "killed"
    if phase == "finetune":
        shutil.copytree(run_alone.transferred, model_dir)
    command = [sys.executable, "-m", "tests.tools.killed_run", str(photo_folder), str(model_dir), phase]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (model_dir / phase / "metrics.json").exists()
    experiment.run(with_checkpoints(make_config(photo_folder, model_dir, tensorboard=True)))
    assert "from step 2 of 6" in capsys.readouterr().out
    assert differences(run_alone.model_dir, model_dir) == []  # weights_sha256, losses, confusion matrix and all
