"""`--phase=estimate`: what it says where images of one video look alike, and what it leaves behind."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from tests.configs import make_config
from trainers import experiment

_BY_VIDEO = r"-(\d+)-"


def _config(folder, model_dir, data_dir, **data):
    config = make_config(folder, model_dir)
    data = dataclasses.replace(config.data, data_dir=str(data_dir), validation_fraction=0.1, **data)
    return dataclasses.replace(config, phase="estimate", data=data)


@pytest.fixture(scope="module")
def estimated(film_folder, tmp_path_factory):
    """Its metrics, model_dir, and data_dir."""
    root = tmp_path_factory.mktemp("estimate")
    config = _config(film_folder, root / "run", root / "data", group_pattern=_BY_VIDEO)
    return experiment.run(config)["estimate"], root / "run", root / "data"


def test_a_random_split_is_told_apart_from_unseen_groups(estimated):
    """No class can be told in films of noise: only those that know the video can."""
    found = estimated[0]
    assert found["random_split_accuracy"] > 0.9
    assert found["expected_new_group_accuracy"] < 0.7
    groups = found["groups"]
    assert found["expected_new_group_accuracy"] == pytest.approx(np.mean([row["accuracy"] for row in groups.values()]))
    assert all(set(row["recall"]) == {"cat", "dog"} for row in groups.values())


def test_what_it_leaves_behind(estimated):
    found, model_dir, _ = estimated
    folder = model_dir / "estimate"
    assert sorted(path.name for path in model_dir.iterdir()) == ["estimate", "report.html"]
    assert {path.name for path in folder.iterdir()} == {
        *("metrics.json", "report.txt", "predictions.csv", "confusion_matrix.png", "mistakes.png", "hardest_group.png")
    }
    written = json.loads((folder / "metrics.json").read_text())
    assert written["expected_new_group_accuracy"] == found["expected_new_group_accuracy"]
    rows = list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))
    by_video = {}
    for row in rows:
        by_video.setdefault(row["file"].split("-")[1], []).append(row["true"] == row["predicted"])
    for video, right in by_video.items():
        assert written["groups"][video] == {
            **written["groups"][video],
            "images": len(right),
            "accuracy": np.mean(right),
        }
    with Image.open(folder / "hardest_group.png") as image:
        assert min(image.size) > 100


@pytest.mark.slow  # read again by another estimate and by check: below
def test_features_are_computed_once(estimated, film_folder, tmp_path, capsys):
    again = experiment.run(_config(film_folder, tmp_path, estimated[2], group_pattern=_BY_VIDEO))["estimate"]
    assert "all of them read" in capsys.readouterr().out
    assert {**again, "seconds": 0} == {**estimated[0], "seconds": 0}


@pytest.mark.slow
def test_check_says_it_where_the_features_are_there(estimated, film_folder, tmp_path, capsys):
    config = _config(film_folder, tmp_path, estimated[2], group_pattern=_BY_VIDEO)
    found = experiment.run(dataclasses.replace(config, phase="check"))["check"]
    assert found["estimate"]["groups"] == estimated[0]["groups"]
    assert "expected accuracy on a new group" in capsys.readouterr().out
    assert not tmp_path.joinpath("estimate").exists()


@pytest.mark.slow
def test_without_groups_they_are_proposed_and_not_used(film_folder, estimated, tmp_path, capsys):
    found = experiment.run(_config(film_folder, tmp_path, estimated[2]))["estimate"]
    said = capsys.readouterr().out
    assert "all of them read" in said  # the features of the first
    assert "--group_pattern=" in said
    assert "holds for images like these only" in said
    assert (tmp_path / "estimate/proposed_groups.png").stat().st_size > 10_000
    assert found["expected_new_group_accuracy"] is found["expected_new_group_interval"] is None
    assert found["groups"] == {}
    assert found["accuracy"] == found["random_split_accuracy"]
