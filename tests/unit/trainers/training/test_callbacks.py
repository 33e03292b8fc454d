"""Stock callbacks of Keras in a run of this project."""

import contextlib
import csv
import dataclasses
import io
from pathlib import Path

import keras
import pytest

from tests.configs import make_config
from trainers import experiment
from trainers.training.callbacks import check_callbacks


def _run(photo_folder, model_dir, chosen, **training):
    config = dataclasses.replace(make_config(photo_folder, model_dir, **training), phase="transfer")
    return experiment.run(config, callbacks=chosen)["transfer"]


def test_stock_callbacks_see_the_logs_they_expect(photo_folder, tmp_path):
    scores = ("val_accuracy", "val_balanced_accuracy", "val_f1_macro", "val_loss", "accuracy", "loss")
    best = {name: str(tmp_path / f"{name}{'.keras' if name == 'loss' else '.weights.h5'}") for name in scores}
    saving = [
        keras.callbacks.ModelCheckpoint(path, monitor=name, save_best_only=True, save_weights_only=name != "loss")
        for name, path in best.items()
    ]
    stopping = keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=1, restore_best_weights=True)
    table, heard = keras.callbacks.CSVLogger(str(tmp_path / "log.csv")), keras.callbacks.History()
    every = keras.callbacks.ModelCheckpoint(str(tmp_path / "epoch-{epoch}.weights.h5"), save_weights_only=True)
    rest = [keras.callbacks.TerminateOnNaN(), every]
    results = _run(
        photo_folder,
        tmp_path / "run",
        [*saving, stopping, table, heard, *rest],
        transfer_epochs=9,
        transfer_learning_rate=0.0,
    )
    assert results["step"] == 2 * 3  # EarlyStopping ended it
    with (tmp_path / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2
    assert {*scores, "learning_rate", "lr"} <= set(rows[0])
    assert {*scores} <= set(heard.history)
    assert float(rows[0]["val_accuracy"]) == pytest.approx(results["validation_accuracy"])
    assert all(Path(path).is_file() for path in best.values())
    assert len(list(tmp_path.glob("epoch-*.weights.h5"))) == 2


@pytest.mark.parametrize(("monitor", "mode"), [("val_accuracy", "max"), ("val_f1_macro", "max"), ("val_loss", "min")])
def test_a_score_is_known_to_be_better_when_it_is_higher(monitor, mode):
    stopping = keras.callbacks.EarlyStopping(monitor=monitor)
    check_callbacks([stopping], has_validation=True)
    assert stopping.mode == mode
    told = keras.callbacks.EarlyStopping(monitor=monitor, mode="min")
    check_callbacks([told], has_validation=True)
    assert told.mode == "min"  # the user's word


@pytest.mark.parametrize(
    ("callback", "has_validation", "message"),
    [
        (keras.callbacks.ReduceLROnPlateau(), True, "ReduceLROnPlateau clashes with the learning rate schedule"),
        (keras.callbacks.LearningRateScheduler(float), True, "LearningRateScheduler clashes"),
        (keras.callbacks.BackupAndRestore("x"), True, "BackupAndRestore clashes with the checkpoints"),
        (keras.callbacks.EarlyStopping("val_auc"), True, "EarlyStopping must monitor one of loss, .*, got 'val_auc'"),
        (
            keras.callbacks.EarlyStopping(),
            False,
            r"one of loss, accuracy \(there is no validation split\)",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_a_line(callback, has_validation, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_callbacks([callback], has_validation=has_validation)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_every_epoch_needs_no_validation_split():
    check_callbacks([keras.callbacks.ModelCheckpoint("x.keras")], has_validation=False)


class _Stopper(keras.callbacks.Callback):
    """Stops in the second step of the second epoch, and sets the learning rate."""

    def __init__(self):
        super().__init__()
        self._epoch = 0

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = (self._epoch, batch) == (1, 1)

    def on_epoch_end(self, epoch, logs=None):
        self._epoch = epoch + 1
        self.model.optimizer.learning_rate = 0.5


@pytest.fixture(scope="module")
def stopped(photo_folder, tmp_path_factory):
    """The metrics of a run without a validation split that `_Stopper` ended, and what it said."""
    config = make_config(photo_folder, tmp_path_factory.mktemp("stopped"), transfer_epochs=9)
    config = dataclasses.replace(
        config,
        phase="transfer",
        data=dataclasses.replace(config.data, validation_fraction=0.0),
        runtime=dataclasses.replace(config.runtime, jit_compile="auto"),  # XLA compiles the augmentation
    )
    with contextlib.redirect_stdout(io.StringIO()) as said:
        metrics = experiment.run(config, callbacks=[_Stopper()])["transfer"]
    return metrics, said.getvalue()


@pytest.mark.slow
def test_stopping_in_the_middle_of_an_epoch_stops_there(stopped):
    assert stopped[0]["step"] == 4 + 2  # 60 images in batches of 16


@pytest.mark.slow
def test_a_rate_that_is_set_is_told(stopped):
    assert "note: a callback has set the learning rate to 0.5, which has no effect: " in stopped[1]


@pytest.mark.slow
def test_no_validation_split_keeps_the_last_epoch(stopped):
    assert stopped[0]["epoch"] == 2
    assert stopped[0]["validation_accuracy"] is None
