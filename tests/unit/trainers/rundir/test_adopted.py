"""A look at a run that names no images is a look at the run's own, with its settings."""

import json

import pytest

import flags
from flags import train
from ftdata.errors import UserError
from trainers.config import as_dict, as_recorded
from trainers.rundir import adopted


@pytest.fixture
def run(tmp_path):
    """The folder of a run on photos, by what its config.json says."""
    config = flags.config(
        image_dir=str(tmp_path / "photos"),
        model_dir=str(tmp_path / "run"),
        backbone="MobileNetV2",
        zoom_range=(0.9, 1.5),
        batch_size=8,
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text(json.dumps({"settings": as_recorded(config), "phases": {}}))
    return tmp_path / "run"


def _asked(*arguments):
    config, given = train.parse(["main", *arguments])
    return config, *adopted.settings_of_run(config, given)


@pytest.mark.parametrize("phase", adopted.LOOKING)
def test_without_images_those_of_the_run_are_looked_at(run, phase):
    asked, config, note = _asked(f"--phase={phase}", f"--model_dir={run}", "--batch_size=16")
    assert asked.data.dataset == "cutlery"  # as of old
    assert (config.phase, config.model_dir) == (phase, str(run))
    assert (config.data.dataset, config.data.image_dir) == (None, str(run.parent / "photos"))
    assert (config.model.backbone, config.augment.zoom_range) == ("MobileNetV2", (0.9, 1.5))
    assert config.training.batch_size == 16  # given
    assert note == (
        f"no images are named, so these are the settings of the run in {run}: --image_dir={run.parent / 'photos'}"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--phase=check", "--image_dir=elsewhere"),
        ("--phase=check", "--dataset=cutlery"),
        ("--phase=check", "--preset=demo"),
        ("--phase=check", "--overwrite"),
        ("--phase=transfer",),
        ("--phase=evaluate",),
    ],
    ids=" ".join,
)
def test_named_images_and_other_phases_stay_as_they_are(run, arguments):
    asked, config, note = _asked(*arguments, f"--model_dir={run}")
    assert as_dict(config) == as_dict(asked)
    assert note is None


def test_where_there_is_no_run_it_is_the_demo(tmp_path):
    asked, config, note = _asked("--phase=check", f"--model_dir={tmp_path / 'none'}")
    assert config == asked
    assert note is None


def test_a_run_without_its_record_is_refused(tmp_path):
    (tmp_path / "finetune").mkdir()
    (tmp_path / "finetune/best.keras").touch()
    with pytest.raises(UserError, match="holds a run without a config.json that says which images it was trained on"):
        _asked("--phase=check", f"--model_dir={tmp_path}")
