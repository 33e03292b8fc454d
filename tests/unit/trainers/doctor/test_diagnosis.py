"""`--phase=check`: what the data doctor says, and that it touches nothing."""

import contextlib
import dataclasses
import io
import json
import re
import shutil

import pytest

from ftdata.sources.holdout import group_ids
from tests.configs import make_config
from trainers import command_line, experiment
from trainers.config import TrainConfig
from trainers.doctor import diagnosis


def check(folder, model_dir, *, data=None, **settings):
    """What the check of a folder finds."""
    config = make_config(folder, model_dir)
    data = dataclasses.replace(config.data, **{"validation_fraction": 0.25, **(data or {})})
    return experiment.run(dataclasses.replace(config, phase="check", data=data, **settings))["check"]


@pytest.fixture(scope="module")
def report(film_folder, tmp_path_factory):
    """The findings, where nothing should have been written, and what was said."""
    model_dir = tmp_path_factory.mktemp("check") / "run"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        found = check(film_folder, model_dir)
    return found, model_dir, said.getvalue()


def test_it_writes_nothing(report):
    assert not report[1].exists()


def test_it_warns_of_frames_of_one_video_on_both_sides_and_names_the_pattern(report, film_folder, tmp_path):
    leakage = report[0]["leakage"]
    assert leakage["validation"]["share"] > 0.5
    held_out, training = leakage["validation"]["examples"][0]
    assert held_out.rsplit("-", 1)[0] == training.rsplit("-", 1)[0]  # the same video
    (flag,) = (flag for flag in report[0]["advice"] if flag.startswith("--group_pattern="))
    pattern = flag.partition("=")[2].strip("'")
    cured = check(film_folder, tmp_path / "run", data={"group_pattern": pattern})
    assert cured["leakage"]["validation"]["share"] == 0.0
    assert not any("group_pattern" in flag for flag in cured["advice"])


def test_it_counts_classes_and_sizes(report):
    assert sum(report[0]["data"][split]["cat"] for split in ("train", "validation", "test")) == 48
    assert report[0]["images"]["median_size"] == [100, 64]
    assert report[0]["images"]["smaller_than_image_size"] == 0.0
    assert any(flag.startswith("--resize") for flag in report[0]["advice"])  # 100 x 64, stretched


def test_it_says_what_would_train(report):
    phases = report[0]["training"]
    assert phases["transfer"]["trainable"] == 2 * (112 + 1)  # the head on vgg_nano's 112 features
    assert phases["finetune"]["trainable"] == phases["finetune"]["parameters"] == phases["transfer"]["parameters"]


@pytest.mark.slow
def test_broken_files_are_named_and_without_a_validation_split_there_is_nothing_to_leak_into(photo_folder, tmp_path):
    photos = shutil.copytree(photo_folder, tmp_path / "photos")
    (photos / "train/green/green-03-0003.jpg").write_bytes(b"no image")
    found = check(photos, tmp_path / "run", data={"validation_fraction": 0.0})
    assert found["images"]["unreadable"] == ["train/green/green-03-0003.jpg"]
    assert set(found["leakage"]) == {"test"}


def test_folder_of_broken_files_is_one_sentence(film_folder, tmp_path):
    for path in film_folder.rglob("*.jpg"):
        copy = tmp_path / "photos" / path.relative_to(film_folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(b"no image")
    with pytest.raises(ValueError, match="no training image of cat, dog can be used: 72 of 72 images cannot be used"):
        check(tmp_path / "photos", tmp_path / "run")


@pytest.mark.slow
def test_weights_that_cannot_be_had_are_told_after_the_report(film_folder, tmp_path, capsys):
    weights = tmp_path / "other.weights.h5"
    weights.write_bytes(b"no weights")
    config = make_config(film_folder, tmp_path / "run")
    config = dataclasses.replace(config, phase="check", model=dataclasses.replace(config.model, weights=str(weights)))
    assert command_line.run(config, given=(), command_line=()) == 1
    said = capsys.readouterr()
    assert "finetune:" in said.out
    assert "advice    first of all what the error at the end says" in said.out
    assert "nothing speaks against" not in said.out
    assert str(weights) in said.err


def test_beside_warnings_nothing_is_said_to_be_well():
    assert diagnosis.advised({}, is_refused=False, warns=True) == [
        "none on the settings: look at what the warnings above name"
    ]


@pytest.mark.parametrize(
    ("advice", "is_refused", "lines"),
    [
        ({}, False, ["none: nothing speaks against these settings"]),
        ({}, True, ["first of all what the error at the end says: a run would stop there before it trains"]),
        (
            {"--resize=crop": "why"},
            True,
            [
                "first of all what the error at the end says: a run would stop there before it trains",
                "--resize=crop  (why)",
            ],
        ),
    ],
)
def test_that_nothing_speaks_against_settings_is_said_only_of_those_that_a_run_takes(advice, is_refused, lines):
    assert diagnosis.advised(advice, is_refused=is_refused) == lines


def test_the_report_fits_one_screen(report):
    lines = report[2].splitlines()
    assert len(lines) <= 40
    assert max(len(line) for line in lines) <= 120
    assert any("warning:" in line and "validation" in line for line in lines)


@pytest.mark.slow
def test_the_videos_of_knifey_spoony_are_found(real_photos, tmp_path):
    for path in real_photos.glob("*/*-000*.jpg"):
        link = tmp_path / "photos" / path.relative_to(real_photos)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    config = TrainConfig(model_dir=str(tmp_path / "run"))
    found = check(tmp_path / "photos", tmp_path / "run", augment=config.augment)
    assert found["leakage"]["validation"]["share"] > 0.1
    (flag,) = (flag for flag in found["advice"] if flag.startswith("--group_pattern="))
    names = [path.name for path in (tmp_path / "photos").glob("*/*.jpg")]
    groups = group_ids(names, flag.partition("=")[2].strip("'"))
    by_video = {(re.match(r"(\w+-\d+)-", name)[1], group) for name, group in zip(names, groups, strict=True)}
    assert len(by_video) == 18  # six of each class, none of them torn apart


def test_a_run_on_the_same_images_keeps_it_for_its_report(film_folder, photo_folder, tmp_path, capsys):
    config, kept = make_config(film_folder, tmp_path / "run", transfer_epochs=1), tmp_path / "run/check.json"
    experiment.run(dataclasses.replace(config, phase="transfer"))
    with pytest.raises(ValueError, match="holds a run with other settings or data"):
        check(photo_folder, tmp_path / "run")
    assert not kept.exists()
    found = experiment.run(dataclasses.replace(config, phase="check"))["check"]
    assert json.loads(kept.read_text()) == json.loads(json.dumps(found))
    assert "The data doctor" in (tmp_path / "run/report.html").read_text()
    assert f"kept in {kept}" in capsys.readouterr().out
