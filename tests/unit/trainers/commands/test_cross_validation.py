"""`--folds`: a model without each group, an epoch that all of them choose, and a model of all images."""

import dataclasses
import itertools
import json
import re
import shutil

import keras
import numpy as np
import pytest

from ftdata.errors import UserError
from tests.configs import make_config
from trainers import experiment
from trainers.config import TrainingConfig
from trainers.folds import left_out
from trainers.rundir import checkpoint
from trainers.rundir.progress import read_history
from trainers.rundir.run_dir import RunDir


def _config(folder, model_dir, *, folds="groups", soup=False, phase="finetune", pattern=r"-(\d+)-", **training):
    config = make_config(folder, model_dir, **{"ema_decay": None, **training})
    data = dataclasses.replace(config.data, group_pattern=pattern)
    training = dataclasses.replace(config.training, folds=folds, soup=soup)
    return dataclasses.replace(config, phase=phase, data=data, training=training)


@pytest.fixture(scope="module")
def crossed(photo_folder, tmp_path_factory):
    """The metrics and the folder of a run over the four groups of the small folder."""
    model_dir = tmp_path_factory.mktemp("crossed") / "run"
    return experiment.run(_config(photo_folder, model_dir, early_stopping_patience=1)), model_dir


def test_two_folds_of_transfer_and_one_model_of_all(photo_folder, tmp_path):
    solved = {"feature_views": 1, "head_solver": "lbfgs"}
    config = _config(photo_folder, tmp_path, folds="2", phase="transfer", tensorboard=True, **solved)
    data = dataclasses.replace(config.data, data_dir=str(tmp_path.with_name("data")))
    found = experiment.run(dataclasses.replace(config, data=data))["transfer"]
    first, second, chosen, pooled = sorted(path.name for path in (tmp_path / "folds").iterdir())
    assert list((tmp_path / "folds" / first / "logs/transfer/validation").iterdir())
    assert re.fullmatch(r"01-0\d_0\d", first)
    assert re.fullmatch(r"02-0\d_0\d", second)
    assert (chosen, pooled) == ("transfer.json", "transfer_left_out.npy")
    judged = left_out.read(RunDir(tmp_path), "transfer")
    assert judged.accuracy == pytest.approx(np.average(list(found["groups"].values())))  # all have 15 images
    assert left_out.read(RunDir(tmp_path), "finetune") is None
    assert sorted(found["groups"]) == ["00", "01", "02", "03"]
    assert found["expected_new_group_accuracy"] == pytest.approx(np.mean(list(found["groups"].values())))
    assert (found["epoch"], found["chosen_among"], found["temperature_images"]) == (0, 1, 60)
    assert (found["step"], found["images_per_second"]) == (0, None)  # a head that is solved for
    assert found["test_accuracy"] > 0.6  # colour tells the classes apart
    assert [row["epoch"] for row in read_history(tmp_path / "transfer/history.csv")] == [0]


def _left_out(model_dir, phase):
    """Of each fold its scores by epoch."""
    return [
        {int(path.stem): np.load(path) for path in sorted((fold / phase / "left_out").glob("*.npy"))}
        for fold in sorted((model_dir / "folds").iterdir())
        if fold.is_dir()
    ]


@pytest.mark.slow
def test_each_group_is_left_out_of_a_run_of_its_own(crossed):
    folds = sorted(path for path in (crossed[1] / "folds").iterdir() if path.is_dir())
    assert [fold.name for fold in folds] == ["01-00", "02-01", "03-02", "04-03"]
    for fold in folds:
        phases = json.loads((fold / "config.json").read_text())["phases"]
        assert [phases["finetune"]["data"][split]["images"] for split in ("train", "validation", "test")] == [45, 15, 0]
        assert [row["epoch"] for row in read_history(fold / "finetune/history.csv")] == [0, 1, 2]  # no patience there
        assert "test_accuracy" not in json.loads((fold / "finetune/metrics.json").read_text())


@pytest.mark.slow
def test_all_groups_choose_the_epoch_together(crossed):
    results, model_dir = crossed
    scores = _left_out(model_dir, "finetune")
    assert [sorted(of_fold) for of_fold in scores] == [[0, 1, 2]] * 4
    histories = [read_history(fold / "finetune/history.csv") for fold in sorted((model_dir / "folds").glob("0*"))]
    means = np.mean([[row["validation_balanced_accuracy"] for row in history] for history in histories], axis=0)
    losses = np.mean([[row["validation_loss"] for row in history] for history in histories], axis=0)
    best = max(range(3), key=lambda epoch: (round(means[epoch], 12), -losses[epoch]))
    found = results["finetune"]
    assert (found["epoch"], found["chosen_among"]) == (best, 3)
    assert found["validation_balanced_accuracy"] == pytest.approx(means[best])
    assert found["validation_loss"] == pytest.approx(losses[best])


@pytest.mark.slow
def test_the_model_is_of_all_images_and_says_what_to_expect(crossed):
    results, model_dir = crossed
    phases = json.loads((model_dir / "config.json").read_text())["phases"]
    assert [phases["finetune"]["data"][split]["images"] for split in ("train", "validation", "test")] == [60, 0, 15]
    for phase in ("transfer", "finetune"):
        found = results[phase]
        assert found["expected_new_group_accuracy"] == pytest.approx(np.mean(list(found["groups"].values())))
        low, high = found["expected_new_group_interval"]
        assert low <= found["expected_new_group_accuracy"] <= high
        assert found["new_group_range"][0] <= low <= high <= found["new_group_range"][1]
        assert found == json.loads((model_dir / phase / "metrics.json").read_text())
    assert results["transfer"]["epoch"] == 2  # the last: no fold chose
    last = read_history(model_dir / "finetune/history.csv")[-1]
    assert last["epoch"] == results["finetune"]["epoch"]


@pytest.mark.slow
def test_the_temperature_is_of_what_was_left_out(crossed):
    results, model_dir = crossed
    config = dataclasses.replace(_config("", model_dir), phase="evaluate", training=TrainingConfig())
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, image_dir=None, group_pattern=None))
    found = experiment.run(config)["evaluate"]
    assert found["temperature"] == results["finetune"]["temperature"]
    assert found["temperature_images"] == 60
    assert found["test_accuracy"] == results["finetune"]["test_accuracy"]


@pytest.mark.slow
def test_a_finished_run_trains_nothing_again(crossed, photo_folder, capsys):
    results, model_dir = crossed
    before = {path: path.stat().st_mtime_ns for path in model_dir.rglob("*.npy")}
    again = experiment.run(_config(photo_folder, model_dir, early_stopping_patience=1))
    assert again == results
    assert {path: path.stat().st_mtime_ns for path in model_dir.rglob("*.npy")} == before
    assert "fold 1 of" not in capsys.readouterr().out


@pytest.mark.slow
def test_folds_choose_the_average_and_how_far_from_the_start(photo_folder, tmp_path):
    options = {"ema_decay": (0.3, 0.99), "interpolate_weights": True}
    found = experiment.run(_config(photo_folder, tmp_path, folds="2", pattern=None, **options))["finetune"]
    candidates = {"00000": (0, None, 0.0)}
    for epoch, decay, alpha in itertools.product((1, 2), (0.3, 0.99), (1.0, 0.75, 0.5, 0.25)):
        share = "" if alpha == 1 else f"_alpha_{alpha}"
        candidates[f"{epoch:05}_ema_{decay}{share}"] = (epoch, decay, alpha)
    folds = sorted(path for path in (tmp_path / "folds").iterdir() if path.is_dir())
    names = [sorted(path.stem for path in (fold / "finetune/left_out").iterdir()) for fold in folds]
    assert names == [sorted(candidates)] * 2
    assert found["chosen_among"] == len(candidates) == 17
    best = (found["epoch"], found["ema_decay"], found["interpolation"]["alpha"])
    assert best in candidates.values()
    last = read_history(tmp_path / "finetune/history.csv")[-1]
    assert (last["epoch"], last["ema_decay"]) == best[:2]
    start, result, kept = (
        keras.saving.load_model(path).weights
        for path in (
            tmp_path / "transfer/best.keras",
            max((tmp_path / "finetune/checkpoints").iterdir()) / "best.keras",
            tmp_path / "finetune/best.keras",
        )
    )
    for one, other, value in zip(start, result, kept, strict=True):
        np.testing.assert_allclose(value, best[2] * other.numpy() + (1 - best[2]) * one.numpy(), rtol=1e-5, atol=1e-7)
    assert checkpoint.weights_sha256(kept) == found["weights_sha256"]


@pytest.mark.slow
def test_the_average_of_the_folds_models_takes_the_place_of_one_of_all(photo_folder, tmp_path):
    options = {"ema_decay": (0.3, 0.99), "interpolate_weights": True, "soup": True, "tensorboard": True}
    config = _config(photo_folder, tmp_path / "run", folds="2", **options)
    found = experiment.run(config)["finetune"]
    assert found["epoch"], "of this data a trained model is chosen, else there is nothing to average"
    assert (found["soup"], found["step"], found["loss"]) == (2, 0, None)
    alpha = found["interpolation"]["alpha"]
    name = f"{found['epoch']:05}_ema_{found['ema_decay']}{'' if alpha == 1 else f'_alpha_{alpha}'}"
    kept = sorted((tmp_path / "run").glob("folds/*/finetune/weights/*"))
    assert [path.stem for path in kept] == [name] * 2  # the others are deleted
    models = [[value for _, value in sorted(np.load(path).items())] for path in kept]
    averaged = keras.saving.load_model(tmp_path / "run/finetune/best.keras").weights
    for one, other, value in zip(*models, averaged, strict=True):
        np.testing.assert_allclose(value, (one + other) / 2, rtol=1e-6, atol=1e-8)
    assert checkpoint.weights_sha256(averaged) == found["weights_sha256"]
    shutil.rmtree(tmp_path / "run/finetune")
    assert experiment.run(config)["finetune"]["weights_sha256"] == found["weights_sha256"]


def test_what_cannot_be_divided_is_refused(photo_folder, tmp_path):
    with pytest.raises(UserError, match="folds=groups needs group_pattern"):
        _config(photo_folder, tmp_path, pattern=None)
    with pytest.raises(UserError, match="folds must be groups, or a number from 2 to 100, got '1'"):
        _config(photo_folder, tmp_path, folds="1")
    with pytest.raises(UserError, match="soup must be false without folds"):
        _config(photo_folder, tmp_path, folds=None, soup=True)
    with pytest.raises(UserError, match="folds must be up to the number of groups, 4, got 5"):
        experiment.run(_config(photo_folder, tmp_path / "run", folds="5"))
    assert not (tmp_path / "run/folds").exists()


@pytest.mark.slow
def test_other_folds_are_refused_once_one_is_begun(crossed, photo_folder, tmp_path):
    shutil.copytree(crossed[1], tmp_path / "run", ignore=shutil.ignore_patterns("transfer", "finetune", "*.json"))
    shutil.copytree(crossed[1] / "folds/01-00", tmp_path / "run/folds/01-00", dirs_exist_ok=True)
    shutil.copy(crossed[1] / "config.json", tmp_path / "run")
    with pytest.raises(UserError, match="folds: was 'groups', is '2'"):
        experiment.run(_config(photo_folder, tmp_path / "run", folds="2", early_stopping_patience=1))
