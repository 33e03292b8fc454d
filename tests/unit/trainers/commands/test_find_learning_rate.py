"""`--phase=find_learning_rate`: what it suggests, what it leaves behind, and that training knows nothing of it."""

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from ftdata.errors import UserError
from tests.configs import make_config
from trainers import experiment
from trainers.commands import find_learning_rate
from trainers.evaluation import figures, rate_figure
from trainers.rundir.progress import read_history
from trainers.rundir.run_dir import RunDir


def _config(folder, model_dir, *, machine=None, **training):
    config = make_config(folder, model_dir, **training)
    runtime = dataclasses.replace(config.runtime, **(machine or {}))
    return dataclasses.replace(config, phase="find_learning_rate", runtime=runtime)


def _find(*arguments, **options):
    return experiment.run(_config(*arguments, **options))["find_learning_rate"]


def _files(model_dir):
    """Digests of what was there before."""
    paths = (path for path in model_dir.rglob("*") if path.is_file())
    return {
        str(path.relative_to(model_dir)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if "find_learning_rate" not in path.parts
    }


@pytest.fixture(scope="module")
def found(photo_folder, tmp_path_factory):
    """The metrics and the folder of a test of the head."""
    model_dir = tmp_path_factory.mktemp("found") / "run"
    return _find(photo_folder, model_dir, transfer_learning_rate=1e3), model_dir  # which is not what counts


def test_colours_are_learned_between_a_rate_that_is_too_low_and_one_that_is_too_high(found):
    """They tell the classes apart, which a head learns at once, but not by Adam's steps of 1e-5."""
    metrics, model_dir = found
    assert (metrics["phase"], metrics["optimizer"], metrics["batch_size"]) == ("transfer", "adam", 16)
    assert 1e-4 < metrics["learning_rate"] < 1
    assert metrics["learning_rate"] == metrics["rules"][metrics["rule"]]
    assert metrics["flag"] == f"--transfer_learning_rate={metrics['learning_rate']:g}"
    assert [path.name for path in model_dir.iterdir()] == ["find_learning_rate"]
    assert json.loads((model_dir / "find_learning_rate/metrics.json").read_text()) == metrics


def test_the_figure_and_the_metrics_are_of_the_table(found, tmp_path):
    metrics, model_dir = found
    rows = read_history(model_dir / "find_learning_rate/history.csv")
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    assert columns["step"].tolist() == list(range(metrics["steps"]))
    assert (columns["learning_rate"][0], columns["smoothed_loss"].min()) == (1e-7, metrics["lowest_smoothed_loss"])
    assert columns["loss"][0] == columns["loss_at_start"][0]  # nothing is learned before the first loss
    assert columns["loss_at_start"].mean() == metrics["loss_at_start"]
    figure = rate_figure.loss_over_rate(
        columns["learning_rate"],
        columns["loss"],
        columns["smoothed_loss"],
        start=metrics["loss_at_start"],
        diverged=metrics["loss_that_diverges"],
        suggested=metrics["learning_rate"],
        others={name: rate for name, rate in metrics["rules"].items() if name != metrics["rule"]},
        title=f"transfer: {metrics['flag']}",
    )
    figures.save(figure, tmp_path / "again.png")
    with Image.open(tmp_path / "again.png") as again, Image.open(model_dir / "find_learning_rate/history.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(again))


@pytest.mark.slow
def test_it_finds_the_same_again_and_training_has_the_same_bits_after_it(found, run_alone, photo_folder, capsys):
    metrics, model_dir = found
    table = (model_dir / "find_learning_rate/history.csv").read_bytes()
    again = _find(photo_folder, model_dir)
    assert {**again, "seconds": 0} == {**metrics, "seconds": 0}
    assert (model_dir / "find_learning_rate/history.csv").read_bytes() == table
    said = capsys.readouterr().out
    assert "40 steps of transfer (not 100: there are only 48 images)" in said
    assert f"suggested: {metrics['flag']} (" in said
    trained = experiment.run(dataclasses.replace(make_config(photo_folder, model_dir), phase="transfer"))["transfer"]
    assert trained["weights_sha256"] == run_alone.results["transfer"]["weights_sha256"]


@pytest.mark.slow
def test_a_finished_transfer_phase_is_followed_by_finetune_and_stays_as_it_is(run_alone, photo_folder, tmp_path):
    model_dir = shutil.copytree(run_alone.transferred, tmp_path / "run")
    before = _files(model_dir)
    metrics = _find(photo_folder, model_dir, finetune_learning_rate=1e3)
    assert _files(model_dir) == before
    assert (metrics["phase"], metrics["has_diverged"]) == ("finetune", True)
    assert metrics["flag"] == f"--finetune_learning_rate={metrics['learning_rate']:g}"
    trained = experiment.run(make_config(photo_folder, model_dir))["finetune"]
    assert trained["weights_sha256"] == run_alone.results["finetune"]["weights_sha256"]


@pytest.mark.slow
def test_hard_images_are_no_divergence(photo_folder, tmp_path):
    metrics = _find(photo_folder, tmp_path, batch_size=1)
    rows = read_history(tmp_path / "find_learning_rate/history.csv")
    losses = np.array([row["loss"] for row in rows])
    assert losses[:20].max() > 4 * losses[:20].min()  # of one image each, before anything can be learned
    assert metrics["learning_rate"] > 1e-5
    assert metrics["steps"] > 40


@pytest.mark.slow
def test_two_devices_find_what_one_finds(photo_folder, tmp_path):
    losses = {}
    for name in ("one_device", "mirrored"):
        config = _config(photo_folder, tmp_path / name, machine={"distribution_strategy": name}, optimizer="sgd")
        experiment.run(dataclasses.replace(config, model=dataclasses.replace(config.model, dropout=0.0)))
        rows = read_history(tmp_path / name / "find_learning_rate/history.csv")
        losses[name] = [row["loss"] for row in rows[:25]]  # after that it diverges, and amplifies the order of sums
    np.testing.assert_allclose(losses["mirrored"], losses["one_device"], rtol=1e-4)


def test_the_phase_is_the_first_that_is_not_finished(run_alone, photo_folder, tmp_path):
    config, transferred = _config(photo_folder, tmp_path), RunDir(run_alone.transferred)
    assert find_learning_rate.next_phase(config, RunDir(tmp_path)).name == "transfer"
    assert find_learning_rate.next_phase(config, transferred).name == "finetune"
    assert find_learning_rate.next_phase(dataclasses.replace(config, overwrite=True), transferred).name == "transfer"


@pytest.mark.parametrize(
    ("training", "environment", "message"),
    [
        (
            {"head_solver": "lbfgs", "feature_views": 1},
            {},
            "head_solver=lbfgs .* none to find .* run --phase",
        ),
        (
            {},
            {"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}'},
            "find_learning_rate is for one machine.*--distribution_strategy=mirrored or one_device",
        ),
    ],
)
def test_where_there_is_nothing_to_find(photo_folder, tmp_path, monkeypatch, training, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    strategy = "auto" if environment else "one_device"
    with pytest.raises(UserError, match=message):
        _find(photo_folder, tmp_path, machine={"distribution_strategy": strategy}, **training)


def test_a_pretrain_phase_is_not_what_it_is_for(photo_folder, tmp_path):
    (tmp_path / "pretrain").mkdir()
    (tmp_path / "pretrain/metrics.json").write_text("{}")
    with pytest.raises(UserError, match="is for transfer and finetune, and model_dir .* holds a pretrain phase"):
        _find(photo_folder, tmp_path)


def test_the_network_has_to_be_that_of_the_transfer_phase(run_alone, photo_folder):
    config = _config(photo_folder, run_alone.transferred)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, pooling="max"))
    with pytest.raises(UserError, match="pooling: was 'avg', is 'max'"):
        experiment.run(config)
