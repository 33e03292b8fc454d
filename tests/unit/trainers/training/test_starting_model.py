"""The model that a phase starts from is a candidate for its best."""

import contextlib
import csv
import dataclasses
import io
import json
import shutil

import keras
import pytest

from tests.configs import make_config
from tests.tools.kills import differences, tensorboard_points
from trainers import experiment
from trainers.commands import trained_model
from trainers.rundir.run_dir import RunDir


def _config(photo_folder, model_dir, **training):
    # a rate of 0: no epoch can be better than the start, and the earliest of equals wins
    options = {"transfer_epochs": 1, "transfer_learning_rate": 1e-2, "finetune_epochs": 5, "ema_decay": 0.9}
    options |= {"finetune_learning_rate": 0.0, "early_stopping_patience": 2, "warmup_steps": 50}
    return make_config(photo_folder, model_dir, tensorboard=True, **{**options, **training})


@pytest.fixture(scope="module")
def kept(run_alone, photo_folder, tmp_path_factory):
    """The folder of a run whose fine-tuning changes nothing, its results and what it said."""
    model_dir = shutil.copytree(run_alone.transferred, tmp_path_factory.mktemp("kept") / "run")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        results = experiment.run(_config(photo_folder, model_dir))
    return model_dir, results, said.getvalue()


def _rows(model_dir, phase):
    with (model_dir / phase / "history.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_it_is_kept_where_nothing_beats_it(kept):
    model_dir, results, said = kept
    metrics = results["finetune"]
    assert metrics["epoch"] == 0
    assert metrics["weights_sha256"] == results["transfer"]["weights_sha256"]
    assert (metrics["loss"], metrics["accuracy"]) == (None, None)  # no training led there
    assert metrics["validation_accuracy"] == results["transfer"]["validation_accuracy"]
    assert "finetune: no epoch was better than the model it started from, which is kept and is what predict" in said
    model = trained_model.of_run(RunDir(model_dir))  # what predict, evaluate and export take
    assert (model.phase, model.metrics["epoch"]) == ("finetune", 0)


@pytest.mark.slow
def test_it_is_recorded_as_epoch_0(kept):
    model_dir, results, said = kept
    assert [row["epoch"] for row in _rows(model_dir, "transfer")] == ["1", "2"]  # a new head is no candidate
    rows = _rows(model_dir, "finetune")
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert (rows[0]["step"], rows[0]["loss"]) == ("0", "")
    assert float(rows[0]["validation_loss"]) == results["transfer"]["validation_loss"]
    points = tensorboard_points(model_dir / "logs/finetune/validation")
    assert [step for tag, step, _ in points if tag == "epoch/balanced_accuracy"] == [0, 3, 6]
    assert "finetune epoch 0/5  validation loss" in said
    assert json.loads((model_dir / "evaluation/metrics.json").read_text())["epoch"] == 0


@pytest.mark.slow
def test_patience_counts_from_it(kept):
    _, results, said = kept
    assert results["finetune"]["step"] == 2 * 3
    lines = said.splitlines()
    stopping = lines.index("no improvement in 2 epochs: stopping")
    assert lines[stopping - 1].startswith("finetune epoch 2/5")  # the line of the epoch that decided it comes first


@pytest.mark.slow
def test_the_run_says_what_chose_and_what_did_not_fit(run_alone, kept):
    _, results, said = kept
    best, lines = results["transfer"]["epoch"], run_alone.said.splitlines()
    assert results["transfer"]["monitor"] == "balanced_accuracy"
    assert f"transfer: best is epoch {best}, chosen by validation balanced accuracy" in run_alone.said
    assert " balanced accuracy " in next(line for line in lines if line.startswith("transfer epoch 1/2"))
    assert "note: --warmup_steps=50 is more than a fifth of the 15 steps of finetune: the first 3 warm up" in said


class _Crash(keras.callbacks.Callback):
    """Ends the process's part in a run at a moment of fine-tuning, as an error of the machine would."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def on_train_begin(self, logs=None):
        self._crash("before")

    def on_epoch_begin(self, epoch, logs=None):
        self._crash(epoch)

    def _crash(self, moment):
        if self.params["epochs"] == 5 and moment == self.at:
            raise RuntimeError("crash")


@pytest.mark.slow
def test_a_run_that_stops_around_it_ends_the_same(run_alone, kept, photo_folder, tmp_path):
    config = _config(photo_folder, shutil.copytree(run_alone.transferred, tmp_path / "run"))
    for moment in ("before", 0, 1):  # before it is scored, when it is kept, and after an epoch
        with pytest.raises(RuntimeError, match="crash"):
            experiment.run(config, callbacks=[_Crash(moment)])
    results = experiment.run(config)
    assert results["finetune"]["weights_sha256"] == kept[1]["finetune"]["weights_sha256"]
    assert differences(kept[0], tmp_path / "run") == []


@pytest.mark.slow
@pytest.mark.parametrize("monitor", ["accuracy", "balanced_accuracy"])
def test_fine_tuning_that_makes_it_worse_leaves_the_better_model(photo_folder, tmp_path, monitor):
    config = _config(photo_folder, tmp_path, transfer_epochs=6, transfer_learning_rate=3e-2, monitor=monitor)
    training = dataclasses.replace(config.training, finetune_learning_rate=0.1, gradient_clip_norm=1.0)
    results = experiment.run(dataclasses.replace(config, training=training))
    rows = _rows(tmp_path, "finetune")
    score = f"validation_{monitor}"
    assert all(float(row[score]) < float(rows[0][score]) for row in rows[1:])  # it did get worse
    assert results["finetune"]["epoch"] == 0
    assert results["finetune"]["test_accuracy"] == results["transfer"]["test_accuracy"]


@pytest.mark.slow
def test_a_model_given_to_go_on_from_is_a_candidate_too(kept, photo_folder, tmp_path):
    config = _config(photo_folder, tmp_path, transfer_learning_rate=0.0)
    model = dataclasses.replace(config.model, weights="none", init_from=str(kept[0] / "transfer/best.keras"))
    results = experiment.run(dataclasses.replace(config, phase="transfer", model=model))
    assert results["transfer"]["epoch"] == 0
    assert results["transfer"]["weights_sha256"] == kept[1]["transfer"]["weights_sha256"]
