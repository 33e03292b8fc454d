"""LoRA by the command line: killed and resumed, verified, evaluated from best.keras alone, and exported."""

import csv
import importlib.util
import json
import random
from pathlib import Path

import numpy as np
import pytest

import flags
from tests.tools import saved_models
from tests.tools.hub_families import make_preset
from tests.tools.kills import Run, differences
from trainers import command_line

pytestmark = pytest.mark.slow

_FLAGS = (
    *("--image_size=32", "--batch_size=12", "--transfer_epochs=1", "--finetune_epochs=2", "--lora_rank=4"),
    *("--finetune_learning_rate=3e-3", "--checkpoint_every_steps=2", "--log_every_steps=2", "--notensorboard"),
    *("--distribution_strategy=one_device", "--mixed_precision=float32", "--jit_compile=false"),
)


def _run(phase: str, model_dir: Path, **settings: str) -> None:
    config = flags.config(phase=phase, model_dir=str(model_dir), **settings)
    assert command_line.run(config, given=(), command_line=()) == 0


def _probabilities(run: Path) -> np.ndarray:
    with (run / "evaluation/predictions.csv").open(newline="", encoding="utf-8") as stream:
        return np.array([[float(value) for value in row[3:]] for row in list(csv.reader(stream))[1:]])


def _check(images: Path, work: Path, *network: str) -> None:
    """All that is promised of a run with LoRA."""
    own = [f"--image_dir={images}", *_FLAGS, *network]
    alone, killed = Run(work / "alone", own), Run(work / "killed", own)
    alone.finish()
    assert "LoRA of rank 4 in " in alone.log.read_text()
    assert killed.kill_once("finetune", random.Random(0))
    assert "finetune" in killed.killed_in
    killed.finish()
    assert "resuming" in killed.log.read_text()
    run = killed.model_dir
    assert differences(alone.model_dir, run) == []
    assert (alone.model_dir / "receipt.json").read_bytes() == (run / "receipt.json").read_bytes()

    _run("verify", run)
    own_evaluation = _probabilities(run)
    _run("evaluate", run)  # of best.keras, in which LoRA is merged
    assert np.abs(_probabilities(run) - own_evaluation).max() <= 2e-6  # of numbers of six digits
    _run("export", run, export_formats="saved_model,litert")
    rows = json.loads((run / "export/parity.json").read_text(encoding="utf-8"))["exports"]
    assert max(row["max_probability_difference"] for row in rows if row["call"] != "any_size") < 1e-5
    with saved_models.reader(work) as reader:
        assert saved_models.difference(reader, run, images) < 1e-5


def test_a_run_on_convolutions(tmp_path, photo_folder):
    network = ("--backbone=MobileNetV2", '--backbone_args={"alpha": 0.35}', "--weights=none")
    _check(photo_folder, tmp_path, *network, "--lora_targets=*_project")


@pytest.mark.extra_zoo
@pytest.mark.skipif(importlib.util.find_spec("keras_hub") is None, reason="the extra zoo is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_run_on_a_transformer_of_keras_hub(tmp_path, photo_folder):
    _check(photo_folder, tmp_path, f"--backbone={make_preset('ViT', tmp_path / 'preset')}")
