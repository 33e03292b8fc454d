"""The main job on the embedded pictures: transfer learning that helps, and fine-tuning that helps more."""

import json
import subprocess
import sys

import pytest

from tests import ROOT

pytestmark = pytest.mark.slow


def _test_accuracies(model_dir, *arguments):
    command = [sys.executable, "-m", "trainers.main", f"--model_dir={model_dir}", *arguments]
    subprocess.run(command, check=True, cwd=ROOT)
    return {
        path.parent.name: json.loads(path.read_text())["test_accuracy"] for path in model_dir.glob("*/metrics.json")
    }


def test_the_demo_learns(tmp_path):
    accuracy = _test_accuracies(tmp_path, "--phase=finetune")
    assert accuracy["transfer"] > 0.6
    assert accuracy["finetune"] >= 0.9
    assert accuracy["finetune"] > accuracy["transfer"]


def test_the_embedded_weights_are_what_helps(tmp_path):
    trained = _test_accuracies(tmp_path / "trained", "--phase=transfer")["transfer"]
    arguments = ("--phase=transfer", "--weights=none", "--train_batch_norm=false")
    random = _test_accuracies(tmp_path / "random", *arguments)["transfer"]
    assert trained > random + 0.15
