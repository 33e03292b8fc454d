"""LoRA by the command line: killed and resumed, verified, evaluated from best.keras alone, and exported."""

import csv
import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import ROOT
from tests.tools import saved_models
from tests.tools.hub_families import make_preset
from tests.tools.kills import Run, differences

pytestmark = pytest.mark.slow

_FLAGS = (
    *(
        "--batch_size=12",
        "--transfer_epochs=2",
        "--finetune_epochs=3",
        "--finetune_learning_rate=3e-3",
        "--lora_rank=4",
    ),
    *("--checkpoint_every_steps=2", "--log_every_steps=2", "--distribution_strategy=one_device", "--notensorboard"),
)


def _main(*flags: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "trainers.main", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _probabilities(run: Path) -> np.ndarray:
    with (run / "evaluation/predictions.csv").open(newline="", encoding="utf-8") as stream:
        return np.array([[float(value) for value in row[3:]] for row in list(csv.reader(stream))[1:]])


def _check(images: Path, work: Path, *flags: str) -> None:
    """All that is promised of a run with LoRA."""
    own = [f"--image_dir={images}", *_FLAGS, *flags]
    alone, killed = Run(work / "alone", own), Run(work / "killed", own)
    alone.finish()
    assert "LoRA of rank 4 in " in alone.log.read_text()
    assert killed.kill_once("finetune", random.Random(0))
    assert "finetune" in killed.killed_in
    killed.finish()
    assert "resuming" in killed.log.read_text()
    assert differences(alone.model_dir, killed.model_dir) == []
    assert (alone.model_dir / "receipt.json").read_bytes() == (killed.model_dir / "receipt.json").read_bytes()

    place = f"--model_dir={killed.model_dir}"
    assert "the same bits" in _main(place, "--phase=verify")
    own_evaluation = _probabilities(killed.model_dir)
    _main(place, "--phase=evaluate")  # of best.keras, in which LoRA is merged
    assert np.abs(_probabilities(killed.model_dir) - own_evaluation).max() <= 2e-6  # of numbers of six digits
    _main(place, "--phase=export", "--export_formats=saved_model,litert")
    rows = json.loads((killed.model_dir / "export/parity.json").read_text(encoding="utf-8"))["exports"]
    assert max(row["max_probability_difference"] for row in rows if row["call"] != "any_size") < 1e-5
    with saved_models.reader(work) as reader:
        assert saved_models.difference(reader, killed.model_dir, images) < 1e-5


def test_a_run_on_convolutions(tmp_path, photo_folder):
    network = (
        "--backbone=MobileNetV2",
        '--backbone_args={"alpha": 0.35}',
        "--weights=none",
        "--lora_targets=*_project",
    )
    _check(photo_folder, tmp_path, *network, "--image_size=32", "--mixed_precision=float32")


@pytest.mark.extra_zoo
@pytest.mark.skipif(importlib.util.find_spec("keras_hub") is None, reason="the extra zoo is not installed")
def test_a_run_on_a_transformer_of_keras_hub(tmp_path, photo_folder):
    _check(photo_folder, tmp_path, f"--backbone={make_preset('ViT', tmp_path / 'preset')}", "--image_size=32")
