"""A loss that leaves the numbers, and steps that loss scaling leaves out."""

import csv
import dataclasses
import re
import shutil
import zipfile

import numpy as np
import pytest

from tests.configs import make_config
from trainers import experiment
from trainers.rundir import checkpoint, divergence


def test_a_huge_learning_rate_stops_with_the_step_and_what_to_change(run_alone, photo_folder, tmp_path):
    model_dir = shutil.copytree(run_alone.transferred, tmp_path / "run")
    config = make_config(photo_folder, model_dir, finetune_learning_rate=1e6, optimizer="sgd", warmup_steps=0)
    with pytest.raises(divergence.Diverged) as caught:
        experiment.run(config)
    assert str(caught.value).startswith("finetune diverged: the ")
    assert " step " in str(caught.value)
    assert "a lower --finetune_learning_rate (it was 1e+06) or --gradient_clip_norm=1" in str(caught.value)
    assert not list(tmp_path.rglob(".tmp-*"))
    for kept in model_dir.glob("finetune/checkpoints/step-*"):
        with np.load(kept / "variables.npz") as arrays:
            assert all(np.isfinite(values).all() for values in arrays.values())


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 2e6])
def test_a_loss_beyond_all_reason_is_named_with_its_step(loss):
    with pytest.raises(divergence.Diverged, match="the loss of step 7 is"):
        divergence.check_loss(loss, step=7)
    divergence.check_loss(1e4, step=7)


def test_values_that_are_not_finite_are_never_saved():
    divergence.check_values({"weights/0": np.ones(3, np.float32), "optimizer/0": np.array(7)}, step=4)
    with pytest.raises(divergence.Diverged, match="the optimizer are not finite after step 4"):
        divergence.check_values({"optimizer/1": np.array([1, -np.inf], np.float32)}, step=4)


def test_gradients_that_overflow_at_any_scale_end_the_run():
    divergence.check_loss_scale(1.0, step=30)
    with pytest.raises(divergence.Diverged, match="overflow float16 at step 30"):
        divergence.check_loss_scale(2.0**-11, step=30)


@pytest.mark.slow  # a step in float16: test_step
def test_steps_skipped_by_loss_scaling_are_counted_and_do_not_end_the_run(run_alone, photo_folder, tmp_path, capsys):
    model_dir = shutil.copytree(run_alone.transferred, tmp_path / "run")
    config = make_config(photo_folder, model_dir, finetune_epochs=1)
    runtime = dataclasses.replace(config.runtime, mixed_precision="mixed_float16")
    metrics = experiment.run(dataclasses.replace(config, runtime=runtime))["finetune"]
    skipped = metrics["skipped_steps"]
    assert skipped in (1, 2)  # the first gradients overflow at a scale of 2**15
    assert f"loss scaling has skipped {skipped} of 3 steps" in capsys.readouterr().out
    with (model_dir / "finetune/history.csv").open() as stream:
        *_, row = csv.DictReader(stream)  # after that of the model it starts from
    assert (float(row["loss_scale"]), int(row["skipped_steps"])) == (2.0 ** (15 - skipped), skipped)
    with zipfile.ZipFile(model_dir / "finetune/best.keras") as saved:
        modules = set(re.findall(r'"module": "([^"]*)"', saved.read("config.json").decode()))
    assert modules, "the model names its classes"
    assert {name.split(".")[0] for name in modules} == {"keras"}  # none of ours, of loss scaling least of all
    newest = checkpoint.latest(model_dir / "finetune/checkpoints")
    assert f'"skipped_steps": {skipped}' in (newest / "state.json").read_text()
