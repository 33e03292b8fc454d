"""A run from end to end on real JPEG files, and what it leaves in model_dir."""

import ast
import contextlib
import csv
import dataclasses
import html
import io
import json
import os
import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from ftdata.config import DataConfig
from tests.configs import make_config
from tests.tools.html_page import Parsed
from trainers import command_line, experiment
from trainers.config import TrainConfig
from trainers.runtime.signals import StopRequest

_CONTRACT = {
    *("config.json", "samples.png", "report.html", "transfer/augmented.png", "finetune/augmented.png"),
    *(f"{phase}/{name}" for phase in ("transfer", "finetune") for name in ("best.keras", "history.csv", "history.png")),
    *("transfer/metrics.json", "finetune/metrics.json"),
    *(f"evaluation/{name}" for name in ("metrics.json", "report.txt", "predictions.csv")),
    *("evaluation/confusion_matrix.png", "evaluation/mistakes.png"),
}
_METRICS = {
    *("phase", "step", "epoch", "loss", "accuracy", "validation_accuracy", "test_accuracy", "class_names"),
    *("confusion_matrix", "per_class", "images_per_second", "input_wait_fraction", "seconds", "weights_sha256"),
}


@pytest.fixture(scope="module")
def finished(run_alone):
    """The folder and the results of a whole run, with a callback that wrote down what it was called with."""
    return run_alone.model_dir, run_alone.results, run_alone.heard


def test_the_file_contract_is_kept(finished):
    model_dir, _, _ = finished
    files = {str(path.relative_to(model_dir)) for path in model_dir.rglob("*") if path.is_file()}
    assert files >= _CONTRACT
    assert not [name for name in files if name.split("/")[-1].startswith(".")]  # nothing temporary left


def test_metrics_have_the_keys_scripts_rely_on(finished):
    model_dir, results, _ = finished
    for phase in ("transfer", "finetune"):
        metrics = json.loads((model_dir / phase / "metrics.json").read_text())
        assert set(metrics) >= _METRICS
        assert metrics == results[phase]
        assert np.sum(metrics["confusion_matrix"]) == 15
        assert metrics["step"] == 2 * 3  # 48 training images of 60 in batches of 16
    evaluation = json.loads((model_dir / "evaluation/metrics.json").read_text())
    assert evaluation["accuracy"] == evaluation["test_accuracy"] == results["finetune"]["test_accuracy"]


def test_the_saved_model_loads_without_this_project_and_gives_the_same_answers(finished):
    model_dir, _, _ = finished
    model = keras.saving.load_model(model_dir / "finetune/best.keras", safe_mode=True)
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    with (model_dir / "evaluation/predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 15
    assert rows[0]["file"].startswith("test/blue/")
    assert model.output_shape == (None, 3)


def test_callbacks_of_the_user_run_with_keras_names(finished):
    _, _, heard = finished
    assert [epoch for epoch, _ in heard] == [0, 1, 0, 1]  # both phases
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(heard[0][1])


def test_history_has_a_row_for_each_epoch(finished):
    model_dir, results, _ = finished
    with (model_dir / "finetune/history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    best = rows[results["finetune"]["epoch"]]
    score = "validation_balanced_accuracy"  # as the class weights are balanced
    assert float(best[score]) == max(float(row[score]) for row in rows) == results["finetune"][score]


def test_a_finished_run_is_not_repeated(finished, photo_folder, capsys):
    model_dir, results, _ = finished
    before = (model_dir / "finetune/best.keras").stat().st_mtime_ns
    assert experiment.run(make_config(photo_folder, model_dir)) == results
    assert (model_dir / "finetune/best.keras").stat().st_mtime_ns == before
    assert "finetune: finished before" in capsys.readouterr().out


def test_other_settings_in_the_same_folder_are_refused_field_by_field(finished, photo_folder):
    model_dir, _, _ = finished
    other = make_config(photo_folder, model_dir, batch_size=8, finetune_learning_rate=1e-4)
    with pytest.raises(ValueError, match=r"batch_size: was 16, is 8(?s:.*)--overwrite"):
        experiment.run(other)


def test_settings_of_another_phase_do_not_matter(finished, photo_folder):
    model_dir, results, _ = finished
    assert experiment.run(make_config(photo_folder, model_dir, transfer_epochs=7)) == results


def test_another_data_set_in_the_same_folder_is_refused(finished, photo_folder):
    model_dir, _, _ = finished
    config = make_config(photo_folder, model_dir)
    data = dataclasses.replace(config.data, validation_fraction=0.4)
    with pytest.raises(ValueError, match="validation_fraction: was 0.2, is 0.4"):
        experiment.run(dataclasses.replace(config, data=data))


@pytest.mark.slow
def test_overwrite_starts_anew_and_leaves_foreign_files(photo_folder, tmp_path):
    config = make_config(photo_folder, tmp_path, transfer_epochs=1)
    config = dataclasses.replace(config, phase="transfer")
    first = experiment.run(config)
    (tmp_path / "notes.txt").write_text("mine")
    again = dataclasses.replace(config, overwrite=True, seed=5)
    assert experiment.run(again)["transfer"]["weights_sha256"] != first["transfer"]["weights_sha256"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_mirrored_on_two_devices_gives_the_run_of_one_device(photo_folder, tmp_path):
    losses = {}
    for name in ("one_device", "mirrored"):
        # at 1e-3 the loss falls to a third in an epoch here, and that amplifies the order of summation to 2e-4
        options = {"optimizer": "sgd", "transfer_epochs": 1, "finetune_learning_rate": 1e-4}
        config = make_config(photo_folder, tmp_path / name, **options)
        config = dataclasses.replace(
            config,
            model=dataclasses.replace(config.model, dropout=0.0),
            runtime=dataclasses.replace(config.runtime, distribution_strategy=name),
        )
        experiment.run(config)
        with (tmp_path / name / "finetune/history.csv").open() as stream:
            losses[name] = [float(row["loss"]) for row in csv.DictReader(stream) if row["loss"]]  # of the start: none
    np.testing.assert_allclose(losses["mirrored"], losses["one_device"], rtol=1e-5)


@pytest.mark.slow  # from the disk: test_interrupt; the batches of all: test_tiers
@pytest.mark.parametrize("tier", ["device", "none"])
def test_every_cache_tier_trains_the_same_model(finished, photo_folder, tmp_path, tier):
    _, results, _ = finished
    config = make_config(photo_folder, tmp_path)
    data = dataclasses.replace(config.data, cache=tier, data_dir=str(tmp_path))
    in_tier = experiment.run(dataclasses.replace(config, data=data, phase="transfer"))
    assert in_tier["transfer"]["weights_sha256"] == results["transfer"]["weights_sha256"]


@pytest.fixture(scope="module")
def one_step(finished, photo_folder, tmp_path_factory):
    """The metrics and the words of a phase of one step at a rate of 0 that goes on from the whole run."""
    options = {"transfer_epochs": 1, "steps_per_epoch": 1, "transfer_learning_rate": 0.0, "ema_decay": 0.0}
    config = make_config(photo_folder, tmp_path_factory.mktemp("one_step"), **options)
    model = dataclasses.replace(config.model, weights="none", init_from=str(finished[0] / "finetune/best.keras"))
    with contextlib.redirect_stdout(io.StringIO()) as said:
        results = experiment.run(dataclasses.replace(config, phase="transfer", model=model))
    return results["transfer"], said.getvalue()


def test_going_on_from_a_trained_model(finished, one_step):
    trained = json.loads((finished[0] / "finetune/metrics.json").read_text())
    assert one_step[0]["weights_sha256"] == trained["weights_sha256"]


@pytest.mark.slow  # of fine-tuning: test_starting_model
def test_early_stopping_and_ema(photo_folder, tmp_path, capsys):
    options = {"transfer_epochs": 9, "early_stopping_patience": 1, "transfer_learning_rate": 0.0, "ema_decay": 0.9}
    config = dataclasses.replace(make_config(photo_folder, tmp_path, **options), phase="transfer")
    results = experiment.run(config)
    assert results["transfer"]["epoch"] == 1
    assert results["transfer"]["step"] == 2 * 3  # the first epoch, and one without improvement
    said = capsys.readouterr().out.splitlines()
    stopping = said.index("no improvement in 1 epoch: stopping")
    assert said[stopping - 1].startswith("transfer epoch 2/9")  # the line of the epoch that decided it comes first


def test_an_epoch_of_one_step_has_a_speed(one_step):
    metrics, said = one_step
    assert metrics["images_per_second"] > 0
    assert 0 < metrics["input_wait_fraction"] < 1
    assert "transfer: 1 epoch\n" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"runtime": {"distribution_strategy": "mirrored"}, "training": {"batch_size": 5}},
            "a multiple of the 2 devices",
        ),
        (
            {
                **{"runtime": {"distribution_strategy": "mirrored"}, "training": {"batch_size": 6}},
                "augment": {"cutmix_alpha": 1.0},
            },
            "must be even on each device with mixup_alpha, cutmix_alpha or .* got 3 a device: change batch_size",
        ),
        ({"data": {"image_dir": "/nowhere"}}, "no such folder"),
        ({"training": {"unfreeze": ("block9",)}}, "no layer starts with 'block9'"),
    ],
)
def test_what_cannot_run_says_why(photo_folder, tmp_path, change, message):
    config = make_config(photo_folder, tmp_path)
    parts = {name: dataclasses.replace(getattr(config, name), **values) for name, values in change.items()}
    with pytest.raises(ValueError, match=message):
        experiment.run(dataclasses.replace(config, **parts))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"weights": "gone.h5"}, "weights must be .* got gone.h5: no such file"),
        (
            {"weights": __file__},
            "weights .*test_experiment.py do not fit the backbone vgg_nano: File format not supported",
        ),
        ({"backbone": "VGG17"}, "backbone must be one of"),
        ({"backbone_args": {"alfa": 1}}, "backbone_args must be arguments of vgg_nano"),
        ({"init_from": "gone.keras"}, "init_from must be a trained model .* got gone.keras: no such file"),
        ({"dense_units": 7, "init_from": "finetune/best.keras"}, "best.keras does not fit this model .*: 2 layer"),
        ({"init_from": "finetune/best.keras", "weights": "finetune/best.keras"}, "do not fit the backbone vgg_nano: "),
    ],
)
def test_a_wrong_start_is_found_before_pictures_are_decoded_or_results_cleared(
    finished, photo_folder, capsys, tmp_path, model, message
):
    model_dir = shutil.copytree(finished[0], tmp_path / "run")
    elsewhere = {
        name: str(finished[0] / value) if "best.keras" in str(value) else value for name, value in model.items()
    }
    config = make_config(photo_folder, model_dir)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, **elsewhere), overwrite=True)
    with pytest.raises(ValueError, match=message):
        experiment.run(config)
    assert "cache:" not in capsys.readouterr().out
    assert (model_dir / "finetune/metrics.json").read_text() == (finished[0] / "finetune/metrics.json").read_text()


def test_overwrite_does_not_remove_what_it_starts_from(finished, photo_folder, tmp_path):
    model_dir = shutil.copytree(finished[0], tmp_path / "run")
    config = make_config(photo_folder, model_dir)
    model = dataclasses.replace(config.model, init_from=str(model_dir / "finetune/best.keras"))
    with pytest.raises(ValueError, match="init_from .*best.keras lies in .*, which --overwrite clears: copy it"):
        experiment.run(dataclasses.replace(config, model=model, overwrite=True))
    assert (model_dir / "finetune/best.keras").is_file()


@pytest.mark.parametrize("beside", ["metrics.json", "config.json"])
def test_a_trained_model_of_other_classes_is_refused(finished, photo_folder, tmp_path, beside):
    model_dir = shutil.copytree(finished[0], tmp_path / "run")
    if beside == "config.json":  # of a run that was stopped before it left its metrics
        (model_dir / "transfer/metrics.json").unlink()
    photos = shutil.copytree(photo_folder, tmp_path / "photos")
    for split in ("train", "test"):
        (photos / split / "red").rename(photos / split / "amber")
    config = make_config(photos, tmp_path / "new")
    init_from = str(model_dir / "transfer/best.keras")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, init_from=init_from))
    message = "was trained on the classes blue, green, red, and these are amber, blue, green: .*--backbone=.*best.keras"
    with pytest.raises(ValueError, match=message):
        experiment.run(config)


def test_a_folder_without_a_test_set_needs_a_fraction_to_hold_out(photo_folder, tmp_path):
    config = make_config(photo_folder, tmp_path)
    data = DataConfig(image_dir=str(photo_folder / "train"), image_size=32, validation_fraction=0.0)
    with pytest.raises(ValueError, match="no test set and validation_fraction=0"):
        experiment.run(dataclasses.replace(config, data=data))


def test_one_image_a_class_is_too_few(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.jpg")
    with pytest.raises(
        ValueError, match="2 images in 2 classes are too few to hold a test set out of them: give every"
    ):
        experiment.run(make_config(tmp_path, tmp_path / "run"))


@pytest.mark.parametrize(
    ("model_dir", "message"),
    [
        ("taken", "model_dir must be a folder, got a file: .*taken$"),
        ("taken/below", "model_dir must be a folder, got a file: .*taken$"),
        ("x" * 300, "model_dir .* cannot be used: File name too long$"),
        pytest.param(
            "locked/run",
            "model_dir .*run cannot be written: .*locked is read-only for this user$",
            marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere"),
        ),
    ],
)
def test_a_model_dir_that_cannot_be_is_said_first(photo_folder, tmp_path, capsys, model_dir, message):
    (tmp_path / "taken").write_text("")
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(ValueError, match=message):
        experiment.run(make_config(photo_folder, tmp_path / model_dir))
    assert capsys.readouterr().out == ""


def test_an_error_of_the_system_is_a_line_without_its_number(photo_folder, tmp_path, capsys):
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere/below")
    config = make_config(photo_folder, tmp_path / "gone")
    assert command_line.run(config, given=(), command_line=(), stop=StopRequest()) == 1
    assert capsys.readouterr().err == f"error: File exists: {tmp_path / 'gone'}\n"


def test_a_callback_that_sets_the_learning_rate_is_refused(photo_folder, tmp_path):
    with pytest.raises(ValueError, match="ReduceLROnPlateau clashes"):
        experiment.run(make_config(photo_folder, tmp_path), callbacks=[keras.callbacks.ReduceLROnPlateau()])


def test_the_report_is_of_the_finished_run(finished, run_alone, tmp_path):
    model_dir, results, _ = finished
    parsed = Parsed((model_dir / "report.html").read_text(encoding="utf-8"))
    assert parsed.mistakes == []
    assert f"{results['finetune']['test_accuracy']:.1%}" in parsed.text
    images = parsed.all("img")  # mistakes, samples, augmented samples, each by itself
    assert len(images) > 3
    assert all(image["alt"] for image in images)
    assert f"read {model_dir / 'report.html'}, watch it with: " in run_alone.said
    copied = shutil.copytree(model_dir, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints", "report.html"))
    experiment.run(TrainConfig(phase="report", model_dir=str(copied)))
    again = Parsed((copied / "report.html").read_text(encoding="utf-8"))
    said = " ".join(again.text.replace(str(copied), str(model_dir)).split())
    moved = (
        f"The folder of the run was {model_dir} then and is {model_dir} now, as the other commands of this page name "
    )
    moved += "it. Paths of images are as they were then. "
    assert moved in said
    assert said.replace(moved, "") == " ".join(parsed.text.split())


def test_the_program_of_the_report_classifies_a_photo(finished, photo_folder, tmp_path, monkeypatch, capsys):
    model_dir, _, _ = finished
    page = (model_dir / "report.html").read_text(encoding="utf-8")
    (program,) = re.findall(r"<pre[^>]*>(import keras\n.*?)</pre>", page, re.DOTALL)
    photo = sorted(photo_folder.glob("test/red/*.jpg"))[0]
    shutil.copy(photo, tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(html.unescape(program), "report.html", "exec"), {})
    found = ast.literal_eval(capsys.readouterr().out)
    rows = csv.DictReader((model_dir / "evaluation/predictions.csv").read_text(encoding="utf-8").splitlines())
    (row,) = [row for row in rows if row["file"].endswith(f"red/{photo.name}")]
    assert max(found, key=lambda name: found[name]) == row["predicted"]
    assert sum(found.values()) == pytest.approx(1, abs=1e-2)
