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
from trainers.evaluation import figures
from trainers.rundir.progress import read_history


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
def found(run_alone, photo_folder, tmp_path_factory):
    """The metrics and the folder of a test of fine-tuning."""
    model_dir = shutil.copytree(run_alone.transferred, tmp_path_factory.mktemp("found") / "run")
    before = _files(model_dir)
    metrics = _find(photo_folder, model_dir, finetune_learning_rate=1e3)  # which is not what counts
    assert _files(model_dir) == before
    return metrics, model_dir


def test_a_finished_transfer_phase_is_followed_by_finetune(found):
    metrics, model_dir = found
    assert (metrics["phase"], metrics["optimizer"], metrics["batch_size"]) == ("finetune", "adam", 16)
    assert metrics["flag"] == f"--finetune_learning_rate={metrics['learning_rate']:g}"
    assert metrics["learning_rate"] == metrics["rules"][metrics["rule"]]
    assert json.loads((model_dir / "find_learning_rate/metrics.json").read_text()) == metrics


def test_the_figure_and_the_metrics_are_of_the_table(found, tmp_path, monkeypatch):
    from trainers.evaluation import rate_figure

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
        title=f"finetune: {metrics['flag']}",
    )
    figures.save(figure, tmp_path / "again.png")
    with Image.open(tmp_path / "again.png") as again, Image.open(model_dir / "find_learning_rate/history.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(again))


def test_it_finds_the_same_again_and_training_has_the_same_bits_after_it(found, run_alone, photo_folder, capsys):
    metrics, model_dir = found
    table = (model_dir / "find_learning_rate/history.csv").read_bytes()
    again = _find(photo_folder, model_dir)
    assert {**again, "seconds": 0} == {**metrics, "seconds": 0}
    assert (model_dir / "find_learning_rate/history.csv").read_bytes() == table
    said = capsys.readouterr().out
    assert "40 steps of finetune (not 100: there are only 48 images)" in said
    assert f"suggested: {metrics['flag']} (" in said
    trained = experiment.run(make_config(photo_folder, model_dir))["finetune"]
    assert trained["weights_sha256"] == run_alone.results["finetune"]["weights_sha256"]


def test_without_a_transfer_phase_it_is_of_the_head_on_all_devices(photo_folder, tmp_path):
    """Colours tell the classes apart: a head learns that at once, and Adam's steps of 1e-5 are too small for it."""
    metrics = _find(photo_folder, tmp_path, machine={"distribution_strategy": "mirrored"})
    assert metrics["phase"] == "transfer"
    assert 1e-4 < metrics["learning_rate"] < 1
    assert [path.name for path in tmp_path.iterdir()] == ["find_learning_rate"]


def test_overwrite_starts_at_transfer_and_deletes_nothing(found, photo_folder):
    from trainers.commands import find_learning_rate
    from trainers.rundir.run_dir import RunDir

    config = dataclasses.replace(_config(photo_folder, found[1]), overwrite=True)
    assert find_learning_rate.next_phase(config, RunDir(found[1])).name == "transfer"


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


def test_the_network_has_to_be_that_of_the_transfer_phase(found, photo_folder):
    config = _config(photo_folder, found[1])
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, pooling="max"))
    with pytest.raises(UserError, match="pooling: was 'avg', is 'max'"):
        experiment.run(config)
