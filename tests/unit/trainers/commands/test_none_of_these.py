"""Whose images tell how far is too far: those that the features have not learned from."""

import csv
import dataclasses
import shutil

import pytest

from ftdata.config import DataConfig
from ftdata.errors import UserError
from tests.configs import make_config
from trainers import experiment
from trainers.commands import none_of_these, other_images
from trainers.config import RuntimeConfig, TrainConfig, UseConfig
from trainers.rundir.run_dir import RunDir


def _evaluate(model_dir, data=None, **use):
    return experiment.run(
        TrainConfig(
            phase="evaluate",
            model_dir=str(model_dir),
            data=data or DataConfig(),
            runtime=RuntimeConfig(distribution_strategy="one_device", tensorboard=False),
            use=UseConfig(**use),
        )
    )["evaluate"].get("none_of_these")


@pytest.mark.slow
def test_after_fine_tuning_the_validation_split_tells_also_of_images_that_were_moved(run_alone, photo_folder, tmp_path):
    model_dir = shutil.copytree(run_alone.model_dir, tmp_path / "run")
    found = _evaluate(model_dir, none_of_these=0.9)
    assert found["groups"] == {"validation split": {"images": 12, "coverage": None}}
    moved = shutil.copytree(photo_folder, tmp_path / "moved")
    assert _evaluate(model_dir, DataConfig(image_dir=str(moved)), none_of_these=0.9) == found
    some = shutil.copytree(photo_folder / "test", tmp_path / "some")
    other = _evaluate(model_dir, DataConfig(image_dir=str(some)), none_of_these=0.9)
    assert {name: other[name] for name in ("groups", "images")} == {name: found[name] for name in ("groups", "images")}
    (model_dir / "finetune/best.keras").write_bytes((model_dir / "transfer/best.keras").read_bytes())
    assert _evaluate(model_dir) is None  # of other weights


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "names"), [(r"-(\d+)-", ["00", "01", "02", "03"]), (None, ["fold 1 of 2", "fold 2 of 2"])]
)
def test_folds_are_asked_about_what_they_have_not_seen_and_no_others(photo_folder, tmp_path, pattern, names):
    config = make_config(photo_folder, tmp_path / "run", ema_decay=None, transfer_epochs=1, finetune_epochs=1)
    data = dataclasses.replace(config.data, group_pattern=pattern)
    config = dataclasses.replace(config, data=data, training=dataclasses.replace(config.training, folds="2"))
    experiment.run(config)
    found = _evaluate(config.model_dir, none_of_these=0.9)
    assert sorted(found["groups"]) == names
    assert {row["images"] for row in found["groups"].values()} == {60 // len(names)}
    excluded = tmp_path / "exclude.csv"
    with excluded.open("w", newline="") as stream:
        csv.writer(stream).writerows([["file"], ["train/red/red-01-0001.jpg"]])
    # other folds are made, of other names or of other images
    said = "is not there: the images, --group_pattern or --exclude_csv" if pattern else "left out others: evaluate with"
    with pytest.raises(UserError, match=said):
        _evaluate(config.model_dir, DataConfig(exclude_csv=str(excluded)), none_of_these=0.9)


def test_other_images_are_looked_for_first(trained_run, tmp_path):
    with pytest.raises(UserError, match="other_images must be a folder of images, a file or a pattern"):
        _evaluate(trained_run, none_of_these=0.9, other_images=str(tmp_path / "nothing"))
    assert none_of_these.kept(RunDir(trained_run), None) is None


def test_other_images_that_cannot_be_read_are_one_line(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    data = DataConfig(image_size=32, data_dir=str(tmp_path / "data"))
    with pytest.raises(UserError, match="^other_images=.* names 1 file, of which none can be read"):
        other_images.read(str(tmp_path / "a.jpg"), data, batch_size=4, class_names=())


def test_what_is_a_class_is_no_other_thing():
    assert len(other_images.kinds(("blue",))) == 12
    assert "star" not in other_images.kinds(("Star", "blue"))
    assert other_images.kinds(other_images.photos.CLASS_NAMES) == []
