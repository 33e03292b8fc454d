"""Keras callbacks of this project: progress lines and a profile; and the check of those that others bring."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tqdm import tqdm

from ftdata.errors import UserError
from ftdata.log import log, prefix
from ftdata.names import counted
from ftdata.settings import said
from trainers.evaluation.summary import in_words

Logs = dict[str, Any]  # numbers by name, as Keras hands them to callbacks

# Scores in the logs of an epoch, of which Keras cannot know that more is better: the model is compiled without metrics.
_HIGHER_IS_BETTER = ("accuracy", "balanced_accuracy", "f1_macro", "f1_micro", "map")
_OF_SEVERAL_LABELS = ("f1_micro", "map")
_LOGGED = ("loss", *_HIGHER_IS_BETTER)


def check_callbacks(
    callbacks: Sequence[keras.callbacks.Callback], *, has_validation: bool, task: str = "single"
) -> None:
    """Checks further callbacks, and tells those that watch a score with mode `auto` which way is better.

    Args:
      callbacks: the callbacks.
      has_validation: whether there is a validation split.
      task: `multi` where there are the scores of several labels too.

    Raises:
      UserError: one that clashes with what this project does itself, or that watches what is not in the logs.
    """
    for callback in callbacks:
        name = type(callback).__name__
        if isinstance(callback, keras.callbacks.LearningRateScheduler | keras.callbacks.ReduceLROnPlateau):
            raise UserError(
                f"{name} clashes with the learning rate schedule, which sets the rate at every step: use "
                "learning_rate_schedule and warmup_steps"
            )
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise UserError(f"{name} clashes with the checkpoints of the run itself, which resumes without it")
        if isinstance(callback, keras.callbacks.EarlyStopping) or getattr(callback, "save_best_only", False):
            logged = [score for score in _LOGGED if task == "multi" or score not in _OF_SEVERAL_LABELS]
            _tell_direction(callback, logged if has_validation else ())


def _tell_direction(callback: Any, validated: Sequence[str]) -> None:
    name, monitor = type(callback).__name__, callback.monitor
    known = ["loss", "accuracy", *(f"val_{score}" for score in validated)]
    if monitor not in known:
        without = "" if validated else " (there is no validation split)"
        raise UserError(f"{name} must monitor one of {', '.join(known)}{without}, got {said(monitor)}")
    if callback.mode == "auto":
        callback.mode = "max" if monitor.removeprefix("val_") in _HIGHER_IS_BETTER else "min"


class Watcher(keras.callbacks.Callback):
    """A callback that also hears of the model a phase starts from, where that is a trained one."""

    def on_starting_point(self, logs: Logs) -> None:
        """Called before the first step with `val_*` and `is_best`."""


class ProgressLines(Watcher):
    """A bar while an epoch runs (on a terminal only) and a line when it ends."""

    def __init__(
        self,
        phase: str,
        *,
        total_steps: int,
        global_batch: int,
        monitor: str = "accuracy",
        reads_features: bool = False,
        task: str = "single",
    ):
        super().__init__()
        several = task == "multi"
        self.accuracy = "all labels right" if several else "accuracy"
        self.scores: tuple[str, ...] = ("map", "f1_macro") if several else ("accuracy",)
        self.monitor, self.read = monitor, " from features" if reads_features else ""
        self.phase, self.total_steps, self.global_batch = phase, total_steps, global_batch
        self.bar: tqdm | None = None
        self.began = time.perf_counter()
        self.steps_here = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Starts the clock of the time left."""
        self.began = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Opens the bar."""
        description = f"{prefix()}{self.phase} epoch {epoch + 1}/{self.params['epochs']}"
        size = self.params["steps"] * self.global_batch
        form = "{desc} {percentage:3.0f}% |{bar:24}| {rate_fmt}{postfix}"
        self.bar = tqdm(
            total=size,
            desc=description,
            unit=" images",
            bar_format=form,
            leave=False,
            disable=not sys.stderr.isatty(),
        )

    def on_starting_point(self, logs: Logs) -> None:
        """Logs its line."""
        what = "the model it starts from" if self.total_steps else "the head that was solved for"
        log.info(f"{self._name(0)}{self._validation(logs)}  {what}")

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Moves the bar."""
        self.steps_here += 1
        assert self.bar is not None
        self.bar.update((batch + 1) * self.global_batch - self.bar.n)
        if logs:
            wait = f"input wait {logs['input_wait_fraction']:.1%}"
            left = f"{self._time_left(logs['step'])} left"
            self.bar.set_postfix_str(f"loss {logs['loss']:.3f}, {self.accuracy} {logs['accuracy']:.3f}, {wait}, {left}")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Logs the line of the epoch."""
        if self.bar is not None:
            self.bar.close()
        count = int(logs.get("skipped_steps", 0))
        skipped = f"  loss scaling has skipped {count} of {counted(int(logs['step']), 'step')}" if count else ""
        log.info(
            f"{self._name(epoch + 1)}  loss {logs['loss']:.4f} {self.accuracy} {logs['accuracy']:.4f}"
            f"{self._validation(logs)}"
            f"  {logs['images_per_second']:.0f} images/s{self.read}  input wait {logs['input_wait_fraction']:.1%}"
            f"  {logs['seconds']:.1f} s  {self._time_left(logs['step'])} left{skipped}"
        )

    def _name(self, epoch: int) -> str:
        return f"{self.phase} epoch {epoch:>{len(str(self.params['epochs']))}}/{self.params['epochs']}"

    def _validation(self, logs: Logs) -> str:
        """The validation scores; a star marks the best epoch so far."""
        star = "*" if logs["is_best"] else " "
        if "val_loss" not in logs:
            return star
        shown = {name: logs[f"val_{name}"] for name in ("loss", *self.scores, self.monitor)}
        average = f" (EMA {logs['ema_decay']:g})" if "ema_decay" in logs else ""
        return f"  validation {' '.join(f'{in_words(name)} {v:.4f}' for name, v in shown.items())}{average}{star}"

    def _time_left(self, step: int) -> str:
        seconds = (self.total_steps - step) * (time.perf_counter() - self.began) / max(self.steps_here, 1)
        minutes, seconds = divmod(round(seconds), 60)
        return f"{minutes}:{seconds:02}"


class Profile(keras.callbacks.Callback):
    """Profiles the steps from `start` to before `stop` of a phase into TensorBoard's folder."""

    def __init__(self, start: int, stop: int, *, folder: Path):
        super().__init__()
        self.start, self.stop, self.folder = start, stop, folder
        self.begun, self.ended, self.running = 0, 0, False

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Starts at the first step asked for."""
        if self.start <= self.begun < self.stop and not self.running:
            tf.profiler.experimental.start(str(self.folder))
            self.running = True
        self.begun += 1

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Stops after the last one."""
        self.ended += 1
        if self.ended >= self.stop:
            self._end()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Stops where the phase was shorter."""
        self._end()

    def _end(self) -> None:
        if self.running:
            tf.profiler.experimental.stop()
            self.running = False
