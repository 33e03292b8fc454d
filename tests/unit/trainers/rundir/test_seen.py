"""What a model was trained on is known again: under another name, in another place, in another parting."""

import dataclasses
import os
import shutil

import numpy as np
import pytest

from ftdata.config import DataConfig
from ftdata.sources.source import open_source
from trainers import experiment
from trainers.commands import trained_model
from trainers.commands.evaluator import open_other
from trainers.config import ModelConfig, RuntimeConfig, TrainConfig
from trainers.rundir import seen
from trainers.rundir.run_dir import RunDir


@pytest.fixture
def run(trained_run, tmp_path):
    return shutil.copytree(trained_run, tmp_path / "run")


def evaluate(model_dir, image_dir):
    runtime = RuntimeConfig(distribution_strategy="one_device", tensorboard=False)
    config = TrainConfig(
        phase="evaluate", model_dir=str(model_dir), data=DataConfig(image_dir=str(image_dir)), runtime=runtime
    )
    return experiment.run(config)["evaluate"]


def opened(model_dir, image_dir):
    """How many images would be evaluated, and how many of them the model was trained on."""
    run_dir = RunDir(model_dir)
    source = open_other(DataConfig(image_dir=str(image_dir)), trained_model.of_run(run_dir))
    return len(source.test), seen.counts(run_dir, source.test)["test_images_trained_on"]


def renamed(folder, into):
    """A copy under other names, every file too."""
    for path in folder.rglob("*.jpg"):
        place = into / path.relative_to(folder).parent
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / f"x{path.name}")
    return into


@pytest.mark.slow
def test_training_images_under_other_names_are_counted(run, photo_folder, tmp_path, capsys):
    folder = renamed(photo_folder / "train", tmp_path / "photos")
    shutil.copy(photo_folder / "test/red/red-00-0000.jpg", folder / "red/new.jpg")
    metrics = evaluate(run, folder)
    assert (metrics["test_images_trained_on"], metrics["test_images_validated_on"]) == (48, 12)
    assert 0 <= metrics["accuracy_on_images_not_trained_on"] <= 1
    out = capsys.readouterr().out
    assert "warning: the model was trained on 48 of 61 images here, so the accuracy reads too high" in out
    assert "on the images it was not trained on\n" in out


@pytest.mark.parametrize("how", ["renamed", pytest.param("linked", marks=pytest.mark.slow)])
def test_the_run_s_own_images_elsewhere_are_parted_as_they_were(run, photo_folder, tmp_path, how, capsys):
    folder = tmp_path / "moved"
    if how == "linked":
        folder.mkdir()
        for name in ("train", "test"):
            os.symlink(photo_folder / name, folder / name)
    else:
        renamed(photo_folder, folder)
    assert opened(run, folder) == (15, 0)
    assert "holds the images of the model's own run: its test set is evaluated" in capsys.readouterr().out


def test_the_run_s_own_test_images_alone_are_measured_where_they_lie(run, photo_folder):
    assert opened(run, photo_folder / "test") == (15, 0)  # not parted once more


def test_all_of_the_run_s_own_images_in_one_test_folder_are_measured_with_a_warning(
    run, photo_folder, tmp_path, capsys
):
    everything = tmp_path / "photos/test"  # nothing to train on, so they cannot be split as they were
    shutil.copytree(photo_folder / "train", everything)
    assert opened(run, renamed(photo_folder / "test", everything).parent) == (75, 48)
    assert "its test set is evaluated" not in capsys.readouterr().out


def test_the_phase_itself_says_that_it_saw_no_test_image(trained_run):
    record = seen.of_run(RunDir(trained_run))
    assert [len(record.trained), len(record.validated), len(record.tested), len(record.earlier)] == [48, 12, 15, 0]


def test_a_model_to_go_on_from_contaminates_another_parting(trained_run, photo_folder):
    # no test/ here: one is held out, of images that the model was trained on
    model = ModelConfig("vgg_nano", weights="objects", init_from=str(trained_run / "transfer/best.keras"))
    data = DataConfig(image_dir=str(photo_folder / "train"), validation_fraction=0.2, split_seed=1)
    source = open_source(data)
    record = seen.of_run(RunDir(trained_run))
    said = seen.warnings(source, model)
    for line, name in zip(said, ("validation", "test"), strict=True):
        split = source.splits[name]
        count = np.isin(split.digests[:, 0], record.trained).sum()
        assert 0 < count <= len(split)
        assert f"was trained on {count} of the {len(split)} {name} images" in line
        assert "--split_seed, --validation_fraction and --group_pattern" in line
    assert seen.warnings(source, dataclasses.replace(model, init_from=None)) == ()
    same = open_source(DataConfig(image_dir=str(photo_folder), validation_fraction=0.2))
    assert seen.warnings(same, model) == ()


def test_what_earlier_models_saw_is_handed_on(trained_run, photo_folder, tmp_path):
    source = open_source(DataConfig(image_dir=str(photo_folder / "test"), validation_fraction=0.2))
    model = ModelConfig("vgg_nano", init_from=str(trained_run / "transfer/best.keras"))
    seen.keep(RunDir(tmp_path / "second"), source, model)
    seen.keep(RunDir(tmp_path / "third"), source, dataclasses.replace(model, init_from=_model_in(tmp_path / "second")))
    third = seen.of_run(RunDir(tmp_path / "third"))
    everything = open_source(DataConfig(image_dir=str(photo_folder / "train"), validation_fraction=0.0)).train
    assert third.trains_on(everything).sum() == 48
    assert (tmp_path / "third/seen_images.npz").stat().st_size < 3000


def _model_in(root):
    (root / "transfer").mkdir()
    (root / "transfer/best.keras").touch()
    return str(root / "transfer/best.keras")


def test_a_model_without_a_record_is_said(photo_folder, tmp_path):
    source = open_source(DataConfig(image_dir=str(photo_folder), validation_fraction=0.2))
    (tmp_path / "run").mkdir()
    (line,) = seen.warnings(source, ModelConfig("vgg_nano", init_from=_model_in(tmp_path / "run")))
    assert line.startswith("note: nothing beside ")
