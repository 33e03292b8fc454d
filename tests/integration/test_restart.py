"""SIGKILL in the middle of an epoch of each phase: the same model as a run left alone."""

import signal
import subprocess
import sys

from tests import ROOT
from tests.configs import make_config, with_checkpoints
from tests.tools.kills import differences
from trainers import experiment

_GOES_ON = "from step 2 of 6"


def _killed(photo_folder, model_dir, phase):
    """What a run says until it is killed in this phase."""
    command = [sys.executable, "-m", "tests.tools.killed_run", str(photo_folder), str(model_dir), phase]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (model_dir / phase / "metrics.json").exists()
    return done.stdout


def test_a_killed_run_ends_with_the_bits_of_one_left_alone(run_alone, photo_folder, tmp_path, capsys):
    model_dir = tmp_path / "killed"
    assert _GOES_ON not in _killed(photo_folder, model_dir, "transfer")
    assert _GOES_ON in _killed(photo_folder, model_dir, "finetune")
    experiment.run(with_checkpoints(make_config(photo_folder, model_dir, tensorboard=True)))
    assert _GOES_ON in capsys.readouterr().out
    assert differences(run_alone.model_dir, model_dir) == []  # weights_sha256, losses, confusion matrix and all
