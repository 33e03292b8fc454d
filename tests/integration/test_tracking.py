"""--track=mlflow into a real store: everything once, however the run ends; nothing lost where there is no server."""

import csv
import dataclasses
import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests import ROOT
from tests.configs import make_config
from trainers import command_line, experiment
from trainers.rundir.run_dir import RunDir, read_json

_NOWHERE = "http://127.0.0.1:9"  # where nobody listens
_BY_US = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")


def _tracked(config):
    return dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, track="mlflow"))


def _runs(folder):
    """The client and all runs of the store in a folder of runs."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    return client, client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


def _curve(client, run, name):
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]


def _column(model_dir, name, *, phases=("transfer", "finetune"), steps_a_phase=6):
    """By step since the run began, the values of history.csv, without the model that a later phase starts from."""
    found = {}
    for number, phase in enumerate(phases):
        with open(model_dir / phase / "history.csv", newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["epoch"] != "0"]
        found |= {number * steps_a_phase + int(row["step"]): float(row[name]) for row in rows}
    return found


@pytest.mark.extra_mlflow
@pytest.mark.filterwarnings("default")
def test_a_killed_run_is_one_run_with_every_point_once(photo_folder, tmp_path):
    pytest.importorskip("mlflow")
    model_dir = tmp_path / "runs" / "mine"
    environment = {name: value for name, value in os.environ.items() if name not in _BY_US}
    command = [sys.executable, "-m", "tests.tools.tracked_run", str(photo_folder), str(model_dir)]
    # after the first epoch of finetune is on the server, and before it is in a checkpoint
    killed = subprocess.run([*command, "9"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    client, (run,) = _runs(model_dir.parent)
    assert (run.info.status, [step for step, _ in _curve(client, run, "loss")]) == ("RUNNING", [3, 6, 9])
    resumed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert resumed.returncode == 0, resumed.stderr
    assert f"mlflow: the same run {run.info.run_id} at sqlite:///" in resumed.stdout
    client, (run,) = _runs(model_dir.parent)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "mine")
    for name in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
        curve = _curve(client, run, name)
        assert [step for step, _ in curve] == [3, 6, 9, 12]
        assert dict(curve) == pytest.approx(_column(model_dir, name), abs=1e-6), name
    assert _curve(client, run, "epoch") == [(3, 1.0), (6, 2.0), (9, 1.0), (12, 2.0)]
    metrics = read_json(RunDir(model_dir).phase("finetune").metrics)
    assert _curve(client, run, "finetune/test_accuracy") == [(12, metrics["test_accuracy"])]
    assert run.data.params["finetune_learning_rate"] == "0.001"
    assert run.data.params["image_dir"] == str(photo_folder)
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["report.html"]
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    client, (run,) = _runs(model_dir.parent)
    assert len(_curve(client, run, "loss")) == 4


@pytest.mark.extra_mlflow
@pytest.mark.filterwarnings("default")
def test_without_a_server_one_warning_and_later_all_that_it_missed(photo_folder, tmp_path, capsys, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    model_dir = tmp_path / "runs" / "mine"
    config = _tracked(dataclasses.replace(make_config(photo_folder, model_dir), phase="transfer"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", _NOWHERE)
    metrics = experiment.run(config)["transfer"]
    said = capsys.readouterr().out
    assert said.count("warning: mlflow gets nothing further until the next start: ") == 1
    assert said.count("warning") == 1
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert experiment.run(config)["transfer"] == metrics
    client, (run,) = _runs(model_dir.parent)
    assert len(_curve(client, run, "loss")) == 2
    assert dict(_curve(client, run, "loss")) == pytest.approx(_column(model_dir, "loss", phases=["transfer"]), abs=1e-6)
    shutil.rmtree(model_dir.parent / "mlflow-artifacts")  # a store that has lost its files is written to again
    experiment.run(config)
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["report.html"]


@pytest.mark.parametrize("phase", ["finetune", "export"])
def test_without_the_extra_one_line_names_it(photo_folder, tmp_path, capsys, monkeypatch, phase):
    monkeypatch.setitem(sys.modules, "mlflow", None)  # as if it were not installed
    config = _tracked(dataclasses.replace(make_config(photo_folder, tmp_path / "run"), phase=phase))
    assert command_line.run(config, given=(), command_line=()) == 1
    assert capsys.readouterr().err == (
        "error: --track=mlflow needs mlflow, not installed here: "
        ".venv/bin/pip install --constraint constraints.txt --editable '.[mlflow]'\n"
    )
    assert not (tmp_path / "run").exists()
