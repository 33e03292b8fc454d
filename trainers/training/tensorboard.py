"""TensorBoard: the points of a phase, the table of hyperparameters, and event files as part of the training state.

A checkpoint records how long each event file is. A restart cuts them back to that, because the steps after the
checkpoint come again, and writes the rest into a new file. So every point is there exactly once.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as sessions
from tensorboard.plugins.hparams import summary_v2 as hp

from ftdata.log import log
from trainers.evaluation import figures
from trainers.evaluation.scores import Evaluation
from trainers.evaluation.summary import LabelSummary
from trainers.training.callbacks import Logs, Watcher

HPARAMS_METRICS = (
    "validation_accuracy", "validation_balanced_accuracy", "validation_f1_macro", "validation_map", "validation_loss",
    "test_accuracy", "test_balanced_accuracy", "test_f1_macro", "test_map", "test_loss", "images_per_second", "seconds",
)  # fmt: skip
# What tags begin with: each is a group on the page, in this order, with training and validation in the same cards.
EPOCH, IMAGES, RESULT, STEPS = "epoch/", "images/", "result/", "steps/"


class TensorBoardWriter(Watcher):
    """Scalars by step, for training and validation apart.

    An event file that cannot be written ends TensorBoard, with a warning, but not the training, which is worth more.

    Args:
      folder: of the phase; it gets `train` and `validation`.
      recorded: the sizes of its event files that the checkpoint to resume from knows of; what is longer is cut.
    """

    _STEP_SCALARS = ("loss", "accuracy", "learning_rate", "images_per_second", "input_wait_fraction")
    # To the points of two epochs alone the page does not fit its axis.
    _CHARTS: ClassVar = {
        **{name: f"({EPOCH}|{STEPS}){name}" for name in ("loss", "accuracy")},
        "learning rate": f"{STEPS}learning_rate",
        **{"images/s": f"{STEPS}images_per_second", "waiting for input, share": f"{STEPS}input_wait_fraction"},
    }
    _SCALING_SCALARS = ("loss_scale", "skipped_steps")

    def __init__(self, folder: Path, *, recorded: Mapping[str, int]):
        super().__init__()
        self.folder = folder
        self.is_new = not cut_back_event_files(folder, recorded)
        self.failed = False
        with self._warning():
            self.train = tf.summary.create_file_writer(str(folder / "train"))
            self.validation = tf.summary.create_file_writer(str(folder / "validation"))

    @contextlib.contextmanager
    def _warning(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            self.failed = True
            reason = error.message.strip().splitlines()[0]
            log.warning(f"warning: TensorBoard gets no further points until the next start: {reason}")

    @contextlib.contextmanager
    def _writing(self, name: str, *, step: int) -> Iterator[None]:
        """Summaries in the block go to `train` or `validation`, or nowhere once that has failed."""
        if self.failed:
            yield
            return
        with self._warning(), getattr(self, name).as_default(step=step):
            yield

    def flushed_sizes(self) -> dict[str, int] | None:
        """Bytes of each event file, with everything so far in it; None once writing has failed."""
        if not self.failed:
            with self._warning():
                self.train.flush()
                self.validation.flush()
        return None if self.failed else event_file_sizes(self.folder)

    def on_starting_point(self, logs: Logs) -> None:
        """Writes its validation scores, if there are any, at step 0."""
        if "val_loss" in logs:
            self._validation_scores(logs, step=0)
        self.flushed_sizes()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Writes the means since the last point."""
        if not logs:
            return
        step = int(logs["step"])
        with self._writing("train", step=step):
            for name in (*self._STEP_SCALARS, *(name for name in self._SCALING_SCALARS if name in logs)):
                tf.summary.scalar(f"{STEPS}{name}", logs[name], step=step)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Writes the epoch's means and the validation scores."""
        step = int(logs["step"])
        with self._writing("train", step=step):
            tf.summary.scalar(f"{EPOCH}loss", logs["loss"], step=step)
            tf.summary.scalar(f"{EPOCH}accuracy", logs["accuracy"], step=step)
        if "val_loss" in logs:
            self._validation_scores(logs, step=step)
        self.flushed_sizes()

    def _validation_scores(self, logs: Logs, *, step: int) -> None:
        with self._writing("validation", step=step):
            for name in (field.name for field in dataclasses.fields(LabelSummary) if f"val_{field.name}" in logs):
                tf.summary.scalar(f"{EPOCH}{name}", logs[f"val_{name}"], step=step)

    def text(self, name: str, markdown: str) -> None:
        """Writes a text."""
        with self._writing("train", step=0):
            tf.summary.text(name, markdown, step=0)

    def layout(self) -> None:
        """Writes what the page Custom Scalars shows: what one looks at first, training and validation of all phases in
        one chart each."""
        charts = [
            layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=[f"^{tag}$"]))
            for title, tag in self._CHARTS.items()
        ]
        chosen = layout_pb2.Layout(category=[layout_pb2.Category(title="training", chart=charts)])
        with self._writing("train", step=0):
            tf.summary.experimental.write_raw_pb(custom_scalar.pb(chosen).SerializeToString(), step=0)

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        """Writes an image, uint8 [height, width, 3], to the validation side unless it shows training data."""
        with self._writing("train" if name.startswith("training") else "validation", step=step):
            tf.summary.image(f"{IMAGES}{name}", pixels[None], step=step)
        self.flushed_sizes()

    def confusion_matrix(self, evaluation: Evaluation, class_names: Sequence[str], *, step: int) -> None:
        """Draws how the classes of the validation split are confused at this step."""
        if not self.failed:
            confusion = evaluation.confusion
            drawn = figures.confusion_matrix(confusion, class_names, title=f"validation split at step {step}")
            self.image("confusion_matrix", figures.as_image(drawn), step=step)

    def close(self) -> None:
        """Closes the event files."""
        if not self.failed:
            with self._warning():
                self.train.close()
                self.validation.close()


def event_file_sizes(folder: Path) -> dict[str, int]:
    """Bytes of each event file below `folder`, by its path from there."""
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in _event_files(folder)}


def cut_back_event_files(folder: Path, recorded: Mapping[str, int]) -> bool:
    """Removes what was written after the sizes were recorded; returns whether anything is left."""
    left = False
    for path in _event_files(folder):
        size = recorded.get(path.relative_to(folder).as_posix())
        if size is None:
            path.unlink()
            continue
        left = True
        if path.stat().st_size > size:
            os.truncate(path, size)
    return left


def _event_files(folder: Path) -> list[Path]:
    """Those with points; the profiler leaves an empty one that only says that there is a profile."""
    found = folder.glob("*/events.out.tfevents.*")
    return sorted(path for path in found if path.suffix != ".profile-empty")


def write_hparams(folder: Path, *, run: Path, settings: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """Writes a finished phase into the HParams table: a row for each phase of each run, settings beside final numbers.

    It takes the place of an earlier row of the phase.

    The columns are the settings and HPARAMS_METRICS. An event file that cannot be written is
    logged as a warning: the phase is worth more.

    Args:
      folder: for its event file alone.
      run: the folder of the run, whose name the row gets.
      settings: those that decide the phase's numbers, JSON values by name.
      metrics: as in the phase's metrics.json.
    """
    ended, phase = time.time(), metrics["phase"]
    shutil.rmtree(folder, ignore_errors=True)
    try:
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default(step=metrics["step"]):
            hp.hparams(
                _columns(settings, phase),
                # Its start alone is shown; the end keeps runs of the same name and settings from sharing a row.
                trial_id=f"{run.name} {phase} ({run.parent})",
                start_time_secs=ended - metrics["seconds"],
            )
            for name in HPARAMS_METRICS:
                if metrics.get(name) is not None:  # without a validation split; a phase begun by an earlier version
                    tf.summary.scalar(f"{RESULT}{name}", metrics[name])
            end = sessions.session_end_pb(api_pb2.STATUS_SUCCESS, end_time_secs=ended)
            tf.summary.experimental.write_raw_pb(end.SerializeToString(), step=metrics["step"])
        writer.close()
    except tf.errors.OpError as error:
        log.warning(f"warning: TensorBoard's HParams table lacks {phase}: {error.message.splitlines()[0]}")


def _columns(settings: Mapping[str, Any], phase: str) -> dict[str, bool | float | str]:
    """The settings as values that the table knows, without those that are not set."""
    values = {name: value for name, value in settings.items() if value is not None}
    return {"phase": phase, **{name: _plain(value) for name, value in values.items()}}


def _plain(value: Any) -> bool | float | str:
    if isinstance(value, bool | int | float | str):
        return value
    return ",".join(map(str, value)) if isinstance(value, list) else json.dumps(value, sort_keys=True)
