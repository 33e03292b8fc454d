"""--phase=evaluate on a small trained run."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

from ftdata.config import DataConfig
from ftdata.errors import UserError
from trainers import command_line, experiment
from trainers.commands import trained_model
from trainers.commands.evaluator import stored_temperature
from trainers.config import RuntimeConfig, TrainConfig, UseConfig
from trainers.models import symmetries
from trainers.rundir.run_dir import RunDir

_FILES = {
    *("metrics.json", "report.txt", "predictions.csv", "confusion_matrix.png", "mistakes.png"),
    *("reliability.png", "precision_recall.png"),
}


def evaluate(model_dir, data=None, *, views="none", tensorboard=False, **targets):
    runtime = RuntimeConfig(distribution_strategy="one_device", tensorboard=tensorboard)
    use = UseConfig(test_time_augmentation=views, **targets)
    data = data or DataConfig()
    return experiment.run(TrainConfig(phase="evaluate", model_dir=str(model_dir), data=data, runtime=runtime, use=use))[
        "evaluate"
    ]


@pytest.fixture(scope="module")
def evaluated(trained_run, tmp_path_factory):
    model_dir = shutil.copytree(trained_run, tmp_path_factory.mktemp("evaluated") / "run")
    shutil.rmtree(model_dir / "evaluation")
    return model_dir, evaluate(model_dir, tensorboard=True)


def test_the_numbers_are_those_of_the_training_run(evaluated, trained_run):
    model_dir, metrics = evaluated
    assert {path.name for path in (model_dir / "evaluation").iterdir()} == _FILES
    before = json.loads((trained_run / "evaluation/metrics.json").read_text())
    assert {name: metrics[name] for name in before} == before
    assert json.loads((model_dir / "evaluation/metrics.json").read_text()) == metrics
    tables = [(folder / "evaluation/predictions.csv").read_text() for folder in (trained_run, model_dir)]
    assert tables[0] == tables[1]


def test_the_temperature_and_the_interval_are_recorded(evaluated):
    _, metrics = evaluated
    assert 0.05 <= metrics["temperature"] <= 20
    low, high = metrics["test_accuracy_interval"]
    assert low <= metrics["accuracy"] <= high
    assert set(metrics["average_precision"]) == {"blue", "green", "red"}


def test_tensorboard_gets_the_curves(evaluated):
    model_dir, _ = evaluated
    events = event_accumulator.EventAccumulator(str(model_dir / "logs/evaluate/test"))
    tags = events.Reload().Tags()
    assert {f"precision_recall/{name}/pr_curves" for name in ("blue", "green", "red")} <= set(tags["tensors"])


def test_thresholds_are_chosen_on_the_validation_images_and_kept_for_others_and_for_predict(
    evaluated, photo_folder, tmp_path, capsys
):
    model_dir = shutil.copytree(evaluated[0], tmp_path / "run")
    shutil.copytree(photo_folder / "test", tmp_path / "photos")
    others = DataConfig(image_dir=str(tmp_path / "photos"))
    with pytest.raises(UserError, match="target_recall needs images of the run itself"):
        evaluate(model_dir, others, target_recall=0.8)
    found = evaluate(model_dir, target_precision=0.75)["thresholds"]
    said = capsys.readouterr().out
    assert "thresholds for a precision of 0.75 in each class, chosen on 12 images held out" in said
    assert "note: no Grad-CAM, as the feature maps are 1x1 at 32x32 pixels: they know no places" in said
    assert (found["target"], found["wanted"], found["chosen_on"]["images"]) == ("precision", 0.75, 12)
    assert set(found["by_class"]) == {"blue", "green", "red"}
    for row in found["chosen_on"]["by_class"].values():
        assert row["threshold"] is None or row["precision"] >= 0.75
    again = evaluate(model_dir, others)["thresholds"]
    assert again["chosen_on"] == found["chosen_on"]
    assert {name: row["threshold"] for name, row in again["by_class"].items()} == {
        name: row["threshold"] for name, row in found["by_class"].items()
    }
    use = UseConfig(images=str(tmp_path / "photos"))
    rows = experiment.run(TrainConfig(phase="predict", model_dir=str(model_dir), use=use))["predict"]["predictions"]
    for row in rows:
        least = found["by_class"][row["predicted"]]["threshold"]
        assert row["accepted"] == (least is not None and row["probability"] >= least)


@pytest.mark.slow
def test_thresholds_are_of_each_image_alone_or_averaged(evaluated, photo_folder, tmp_path):
    model_dir = shutil.copytree(evaluated[0], tmp_path / "run")
    found = evaluate(model_dir, target_precision=0.75)["thresholds"]
    evaluate(model_dir, views="flip")  # which has none of its own, and leaves these
    assert evaluate(model_dir)["thresholds"]["chosen_on"] == found["chosen_on"]
    averaged = UseConfig(images=str(photo_folder / "test"), test_time_augmentation="flip")
    rows = experiment.run(TrainConfig(phase="predict", model_dir=str(model_dir), use=averaged))["predict"]
    assert "accepted" not in rows["predictions"][0]


@pytest.fixture
def noise(tmp_path):
    """A folder of six images of noise."""
    (tmp_path / "noise").mkdir()
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), np.uint8)):
        Image.fromarray(pixels).save(tmp_path / f"noise/{number}.png")
    return str(tmp_path / "noise")


def test_none_of_these_is_found_once_and_told_by_predict(evaluated, noise, tmp_path, capsys):
    model_dir = shutil.copytree(evaluated[0], tmp_path / "run")
    found = evaluate(model_dir, none_of_these=0.9, other_images=noise)["none_of_these"]
    said = capsys.readouterr().out
    assert "90.0% of images like those left out are to be taken for one of the classes; from 5 groups of 60" in said
    assert [row["images"] for row in found["groups"].values()] == [12] * 5  # no groups are given: folds at random
    assert np.mean([row["coverage"] for row in found["groups"].values()]) >= 0.8
    assert list(found["others"].values()) == [{"images": 6, "missed": 0.0}]
    use = UseConfig(images=noise)
    rows = experiment.run(TrainConfig(phase="predict", model_dir=str(model_dir), use=use))["predict"]["predictions"]
    assert all(row["none_of_these"] and row["unlike"] > 1 for row in rows)
    assert "6 of none of the classes" in capsys.readouterr().err


@pytest.mark.slow
def test_none_of_these_is_kept_and_needs_enough_images(evaluated, noise, tmp_path, capsys):
    model_dir = shutil.copytree(evaluated[0], tmp_path / "run")
    with pytest.raises(UserError, match=r"other_images needs to know what is none of these: give --none_of_these"):
        evaluate(model_dir, other_images=noise)
    with pytest.raises(UserError, match=r"none_of_these=0.99 takes 99 images .* there are 60: ask for less"):
        evaluate(model_dir, none_of_these=0.99)
    found = evaluate(model_dir, none_of_these=0.9)["none_of_these"]
    assert "of 240 rendered everyday things" in capsys.readouterr().out
    again = evaluate(model_dir, other_images=noise)["none_of_these"]
    assert {**again, "others": found["others"]} == found
    use = UseConfig(images=noise, test_time_augmentation="flip")
    rows = experiment.run(TrainConfig(phase="predict", model_dir=str(model_dir), use=use))["predict"]["predictions"]
    assert all(row["none_of_these"] and row["unlike"] > 1 for row in rows)


@pytest.mark.slow
def test_another_folder_may_lack_classes_and_has_no_test_set(evaluated, photo_folder, tmp_path):
    model_dir = shutil.copytree(evaluated[0], tmp_path / "run")
    for name in ("green", "red"):
        shutil.copytree(photo_folder / "test" / name, tmp_path / "photos" / name)
    metrics = evaluate(model_dir, DataConfig(image_dir=str(tmp_path / "photos")))
    assert [sum(row) for row in metrics["confusion_matrix"]] == [0, 5, 5]  # blue keeps its place
    assert metrics["temperature"] == evaluated[1]["temperature"]  # of the validation set, not of this folder
    with (model_dir / "evaluation/predictions.csv").open() as stream:
        assert {row["true"] for row in csv.DictReader(stream)} == {"green", "red"}


@pytest.mark.slow
def test_a_folder_of_one_class_is_measured(evaluated, photo_folder, tmp_path, capsys):
    model_dir = shutil.copytree(evaluated[0], tmp_path / "run")
    shutil.copytree(photo_folder / "test/green", tmp_path / "photos/green")
    (tmp_path / "photos/red").mkdir()
    (tmp_path / "photos/green/scan.tif").write_bytes(b"II*\0")
    metrics = evaluate(model_dir, DataConfig(image_dir=str(tmp_path / "photos")))
    assert [sum(row) for row in metrics["confusion_matrix"]] == [0, 5, 0]
    assert metrics["temperature"] == evaluated[1]["temperature"]  # of the validation set, not of this folder
    said = capsys.readouterr().out
    assert "no images of 2 classes that the model knows: blue, red" in said
    assert "1 image passed over, as the format is not read: 1 TIFF" in said


@pytest.mark.parametrize("kind", ["flip", pytest.param("dihedral", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_images_mirrored_and_turned_are_averaged_in(evaluated, photo_folder, tmp_path, kind):
    model_dir = shutil.copytree(evaluated[0], tmp_path / "run")
    metrics = evaluate(model_dir, views=kind)
    assert metrics["test_time_augmentation"] == kind
    network = trained_model.of_run(RunDir(model_dir)).load()
    assert stored_temperature(RunDir(model_dir), network) is None  # it suits the mean, not the model by itself
    suits = stored_temperature(RunDir(model_dir), network, test_time_augmentation=kind)
    assert suits.value == metrics["temperature"]
    with (model_dir / "evaluation/predictions.csv").open() as stream:
        row = next(csv.DictReader(stream))
    image = Image.open(photo_folder / "test" / row["file"].split("test/")[-1]).resize(
        (32, 32), Image.Resampling.BILINEAR
    )
    several = symmetries.images_of(np.asarray(image, np.float32)[None], kind)
    expected = network(np.concatenate(several)).numpy().mean(axis=0)
    np.testing.assert_allclose([float(row[name]) for name in ("blue", "green", "red")], expected, atol=0.02)


def test_a_class_the_model_does_not_know_is_named(evaluated, tmp_path):
    for name in ("green", "violet"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "photos" / name / "1.jpg")
    with pytest.raises(ValueError, match=r"does not know: violet; it knows blue, green, red"):
        evaluate(evaluated[0], DataConfig(image_dir=str(tmp_path / "photos")))


def test_without_a_trained_model_the_way_to_one_is_said(tmp_path, capsys):
    config = TrainConfig(phase="evaluate", model_dir=str(tmp_path / "none"))
    assert command_line.run(config, given=(), command_line=()) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: --model_dir {tmp_path / 'none'} is not there: name the --model_dir of a run")
    assert f"or train one: python -m trainers.main --image_dir=FOLDER --model_dir={tmp_path / 'none'}" in said
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_mirrored_evaluation_gives_the_same_numbers(evaluated, tmp_path):
    model_dir = shutil.copytree(evaluated[0], tmp_path / "run")
    runtime = RuntimeConfig(distribution_strategy="mirrored", tensorboard=False)
    metrics = experiment.run(TrainConfig(phase="evaluate", model_dir=str(model_dir), runtime=runtime))["evaluate"]
    assert metrics["confusion_matrix"] == evaluated[1]["confusion_matrix"]
    assert metrics["loss"] == pytest.approx(evaluated[1]["loss"], rel=1e-2)  # bfloat16
