"""Several averages compete to be the best of a phase: the choice, what is kept of it, and a restart."""

import contextlib
import csv
import dataclasses
import io
import shutil

import keras
import numpy as np
import pytest

from ftdata.config import DataConfig
from tests.configs import make_config, open_context, with_checkpoints
from tests.tools.kills import differences
from trainers import experiment
from trainers.config import PHASES
from trainers.models.cut import cut
from trainers.rundir import checkpoint
from trainers.rundir.progress import Progress
from trainers.training import phase_model
from trainers.training.averaging import averaging_of
from trainers.training.candidates import Candidates
from trainers.training.epoch_row import monitor_key
from trainers.training.held_out import HeldOut

_DECAYS = (0.3, 0.6, 0.99)


def _config(photo_folder, model_dir, **training):
    """Fine-tuning with all that there is to choose: three averages, and weights between start and result."""
    options = {"ema_decay": _DECAYS, "interpolate_weights": True, "layer_decay": 0.9, "l2_start": 0.01}
    config = make_config(photo_folder, model_dir, tensorboard=True, **{**options, **training})
    return with_checkpoints(config)


def test_the_best_average_is_scored_and_saved(run_alone, photo_folder, tmp_path):
    model_dir = shutil.copytree(run_alone.model_dir, tmp_path / "run", ignore=shutil.ignore_patterns("lock"))
    context = open_context(make_config(photo_folder, model_dir, ema_decay=_DECAYS))
    network = phase_model.build(PHASES["finetune"], context)  # all are the weights of transfer
    trained = network.get_weights()
    averaging = averaging_of(network.optimizer)
    for decay, noise in ((0.3, 0.3), (0.99, 0.2)):
        for variable, average in averaging.pairs(decay):
            average.assign(variable.numpy() + np.float32(noise))
    network.set_weights([0 * weight for weight in trained])  # the weights themselves are no candidate
    held_out = HeldOut(network, context, cut(network))
    candidates = Candidates(PHASES["finetune"], network, context, held_out, progress=Progress(), board=None)
    row = candidates.score()
    assert row["ema_decay"] == 0.6
    assert (row["validation_loss_ema_0.6"], row["validation_loss"]) == (row["validation_loss"],) * 2
    assert row["validation_loss"] < min(row["validation_loss_ema_0.3"], row["validation_loss_ema_0.99"])
    assert all(np.all(weight == 0) for weight in network.get_weights())
    candidates.save(tmp_path / "best.keras", row)
    for one, other in zip(keras.saving.load_model(tmp_path / "best.keras").get_weights(), trained, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def chosen(run_alone, photo_folder, tmp_path_factory):
    """The folder of a run whose fine-tuning has three averages, its metrics, and what it said."""
    model_dir = shutil.copytree(run_alone.transferred, tmp_path_factory.mktemp("chosen") / "run")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        results = experiment.run(_config(photo_folder, model_dir))
    return model_dir, results["finetune"], said.getvalue()


def _rows(model_dir):
    with (model_dir / "finetune/history.csv").open() as stream:
        return [
            {name: float(value) if value else None for name, value in row.items()} for row in csv.DictReader(stream)
        ]


@pytest.mark.slow
def test_an_epoch_stands_for_its_best_average(chosen):
    rows = _rows(chosen[0])
    assert [row["ema_decay"] is None for row in rows] == [True, False, False]  # the first is the start
    for row in rows:
        found = {
            decay: (row[f"validation_balanced_accuracy_ema_{decay:g}"], row[f"validation_loss_ema_{decay:g}"])
            for decay in _DECAYS
        }
        best = max(found, key=lambda decay: (round(found[decay][0], 12), -found[decay][1]))
        assert row["ema_decay"] in (None, best)
        assert (row["validation_balanced_accuracy"], row["validation_loss"]) == found[best]
    assert len({row["validation_loss_ema_0.3"] - row["validation_loss_ema_0.99"] for row in rows[1:]}) == 2


@pytest.mark.slow
def test_the_best_epoch_and_its_average_are_recorded_and_said(chosen):
    model_dir, metrics, said = chosen
    rows = _rows(model_dir)
    best = rows[0]
    for row in rows[1:]:
        best = row if monitor_key(row, "balanced_accuracy") > monitor_key(best, "balanced_accuracy") else best
    kept = metrics["interpolation"]
    assert kept["epoch"] == (best["epoch"] or rows[-1]["epoch"])
    assert metrics["ema_decay"] == (rows[int(kept["epoch"])]["ema_decay"] if kept["alpha"] else None)
    assert f" (EMA {rows[1]['ema_decay']:g})" in said
    model = keras.saving.load_model(model_dir / "finetune/best.keras")
    assert checkpoint.weights_sha256(model.weights) == metrics["weights_sha256"]


class _Crash(keras.callbacks.Callback):
    """Ends the process's part in a run in a step, as an error of the machine would."""

    def __init__(self, at):
        super().__init__()
        self._left = at

    def on_train_batch_end(self, batch, logs=None):
        self._left -= 1
        if not self._left:
            raise RuntimeError("crash")


@pytest.mark.slow
def test_a_run_that_stops_anywhere_ends_with_the_same_bits(run_alone, chosen, photo_folder, tmp_path):
    config = _config(photo_folder, shutil.copytree(run_alone.transferred, tmp_path / "run"))
    for steps in (1, 3, 3):  # before there is a checkpoint of this phase, and in the middle of either epoch
        with pytest.raises(RuntimeError, match="crash"):
            experiment.run(config, callbacks=[_Crash(steps)])
    results = experiment.run(config)
    assert results["finetune"]["weights_sha256"] == chosen[1]["weights_sha256"]
    assert differences(chosen[0], tmp_path / "run") == []


@pytest.mark.slow
def test_a_run_that_stops_between_the_choice_and_its_record_chooses_the_same(chosen, photo_folder, tmp_path):
    model_dir = shutil.copytree(chosen[0], tmp_path / "run", ignore=shutil.ignore_patterns("lock"))
    (model_dir / "finetune/metrics.json").unlink()  # best.keras is what was chosen already
    experiment.run(_config(photo_folder, model_dir))
    assert differences(chosen[0], model_dir) == []


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_two_devices_choose_too_and_a_restart_there_is_as_exact(run_alone, photo_folder, tmp_path, precision):
    def config(name):
        whole = _config(photo_folder, tmp_path / name)
        runtime = dataclasses.replace(whole.runtime, distribution_strategy="mirrored", mixed_precision=precision)
        return dataclasses.replace(whole, runtime=dataclasses.replace(runtime, steps_per_execution=1))

    for name in ("alone", "stopped"):
        shutil.copytree(run_alone.transferred, tmp_path / name)
    alone = experiment.run(config("alone"))["finetune"]
    with pytest.raises(RuntimeError, match="crash"):
        experiment.run(config("stopped"), callbacks=[_Crash(5)])
    stopped = experiment.run(config("stopped"))["finetune"]
    assert stopped["weights_sha256"] == alone["weights_sha256"]
    assert differences(tmp_path / "alone", tmp_path / "stopped") == []


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (
            {"ema_decay": (0.9, 0.99)},
            "ema_decay must be one number without a validation split, .* got 0.9,0.99: give one",
        ),
        ({"interpolate_weights": True}, "interpolate_weights must be false without a validation split"),
    ],
)
def test_without_a_validation_split_nothing_can_be_chosen(photo_folder, tmp_path, training, message):
    config = make_config(photo_folder, tmp_path, **training)
    data = DataConfig(image_dir=str(photo_folder), image_size=32, validation_fraction=0.0)
    with pytest.raises(ValueError, match=message):
        open_context(dataclasses.replace(config, data=data))
