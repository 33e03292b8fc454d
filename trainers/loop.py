"""Epochs, validation, the best epoch, early stopping and checkpoints of one phase.

An explicit loop, because `model.fit` of Keras 3.15 fails across workers (keras#20585), turns XLA off under
every strategy and cannot go on in the middle of an epoch. It drives keras.callbacks.CallbackList.
"""

import csv
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainers import checkpoint
from trainers.evaluate import Evaluation
from trainers.step import TrainStep
from trainers.workdir import PhaseDir, write_atomically


@dataclasses.dataclass
class Progress:
    """All that decides how a phase goes on, besides the variables: JSON values, saved in checkpoints."""

    step: int = 0
    totals: list[float] = dataclasses.field(default_factory=lambda: [0.0, 0.0, 0.0])  # of the running epoch
    window: list[float] = dataclasses.field(default_factory=lambda: [0.0, 0.0, 0.0])  # since the last log point
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best: dict[str, Any] | None = None
    epochs_without_improvement: int = 0
    stopped: bool = False
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a phase is to do; `rate` gives the learning rate of a step."""

    epochs: int
    steps_per_epoch: int
    global_batch: int
    rate: Callable[[int], float]
    monitor: str
    patience: int | None
    log_every_steps: int
    checkpoint_every_steps: int

    @property
    def total_steps(self) -> int:
        """Steps of the whole phase."""
        return self.epochs * self.steps_per_epoch


class Loop:
    """Trains one phase, from its newest checkpoint if there is one.

    Args:
      plan: of the phase.
      model: compiled, its optimizer built.
      train_step: of the model.
      batches: (first step, end step) -> iterator of distributed batches.
      validate: scores the validation split, or None without one.
      save_best: writes the model (its averaged weights, with averaging) to a path.
      files: of the phase.
      callbacks: Keras callbacks.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        model: keras.Model,
        train_step: TrainStep,
        batches: Callable[[int, int], Iterator[Any]],
        validate: Callable[[], Evaluation] | None,
        save_best: Callable[[Path], None],
        files: PhaseDir,
        callbacks: list[keras.callbacks.Callback],
    ):
        self.plan, self.model, self.train_step = plan, model, train_step
        self.batches, self.validate, self.save_best, self.files = batches, validate, save_best, files
        parameters = {"epochs": plan.epochs, "steps": plan.steps_per_epoch, "verbose": 0}
        self.callbacks = keras.callbacks.CallbackList(callbacks, model=model, **parameters)
        self.progress = Progress()
        self._pending: list[Any] = []  # results not fetched yet, so that an accelerator can run ahead
        self._groups = {"weights": model.weights, "optimizer": model.optimizer.variables}

    def run(self) -> Progress:
        """Trains to the end of the phase."""
        self._restore()
        self.model.stop_training = self.progress.stopped
        plan, progress = self.plan, self.progress
        self.callbacks.on_train_begin()
        batches = self.batches(progress.step, plan.total_steps)
        while progress.step < plan.total_steps and not progress.stopped:
            self._epoch(progress.step // plan.steps_per_epoch, batches)
        self.callbacks.on_train_end()
        return progress

    def _restore(self) -> None:
        newest = checkpoint.latest(self.files.checkpoints)
        if newest is None:
            return
        self.progress = Progress(**checkpoint.restore(newest, groups=self._groups))
        print(f"going on from step {self.progress.step} of {self.plan.total_steps} ({newest})", flush=True)

    def _save(self) -> None:
        self._fetch()
        state = dataclasses.asdict(self.progress)
        checkpoint.save(self.files.checkpoints, step=self.progress.step, groups=self._groups, state=state)

    def _epoch(self, epoch: int, batches: Iterator[Any]) -> None:
        plan, progress = self.plan, self.progress
        self.callbacks.on_epoch_begin(epoch)
        clock = _Clock()
        while progress.step < (epoch + 1) * plan.steps_per_epoch:
            rate = plan.rate(progress.step)
            batch = clock.wait_for(lambda: next(batches))
            in_epoch = progress.step % plan.steps_per_epoch
            self.callbacks.on_train_batch_begin(in_epoch)
            self._pending.append(self.train_step(batch, step=progress.step, learning_rate=rate))
            progress.step += 1
            clock.step_done()
            logs = self._log_point(rate, clock) if progress.step % plan.log_every_steps == 0 else {}
            self.callbacks.on_train_batch_end(in_epoch, logs)
            is_last = progress.step == (epoch + 1) * plan.steps_per_epoch
            if progress.step % plan.checkpoint_every_steps == 0 and not is_last:
                self._save()
        self._fetch()
        self._end_epoch(epoch, clock)

    def _fetch(self) -> None:
        for result in self._pending:
            values = np.asarray(result, np.float64)
            self.progress.totals = [float(a + b) for a, b in zip(self.progress.totals, values, strict=True)]
            self.progress.window = [float(a + b) for a, b in zip(self.progress.window, values, strict=True)]
        self._pending.clear()

    def _log_point(self, rate: float, clock: "_Clock") -> dict[str, float]:
        self._fetch()
        logs = {**_means(self.progress.window), "learning_rate": rate, **clock.rates(self.plan.global_batch)}
        self.progress.window = [0.0, 0.0, 0.0]
        return {**logs, "step": self.progress.step}

    def _end_epoch(self, epoch: int, clock: "_Clock") -> None:
        progress = self.progress
        row: dict[str, Any] = {"epoch": epoch + 1, "step": progress.step, **_means(progress.totals)}
        clock.stop()
        scores = self.validate() if self.validate else None
        row["validation_loss"] = scores.loss if scores else None
        row["validation_accuracy"] = scores.accuracy if scores else None
        row |= {"learning_rate": self.plan.rate(progress.step - 1), **clock.rates(self.plan.global_batch)}
        row["seconds"] = clock.seconds()
        progress.seconds += row["seconds"]
        progress.history.append(row)
        progress.totals = [0.0, 0.0, 0.0]
        self._judge(row)
        write_history(self.files.history, progress.history)
        logs = {"loss": row["loss"], "accuracy": row["accuracy"], "is_best": progress.best is row}
        if scores:
            logs |= {"val_loss": scores.loss, "val_accuracy": scores.accuracy}
        extra = ("step", "learning_rate", "images_per_second", "input_wait_fraction", "seconds")
        self.callbacks.on_epoch_end(epoch, logs | {name: row[name] for name in extra})
        if progress.stopped:
            epochs = progress.epochs_without_improvement
            print(f"no improvement in {epochs} epoch{'' if epochs == 1 else 's'}: stopping", flush=True)
        progress.stopped = progress.stopped or bool(self.model.stop_training)
        self._save()

    def _judge(self, row: dict[str, Any]) -> None:
        """Keeps the epoch if it is the best so far; counts towards early stopping if not."""
        progress = self.progress
        if progress.best is None or _rank(row, self.plan.monitor) > _rank(progress.best, self.plan.monitor):
            progress.best, progress.epochs_without_improvement = row, 0
            self.save_best(self.files.best)
            return
        progress.epochs_without_improvement += 1
        if self.plan.patience and progress.epochs_without_improvement >= self.plan.patience:
            progress.stopped = True


def _rank(row: dict[str, Any], monitor: str) -> tuple[float, ...]:
    """Higher is better; an earlier epoch wins a tie. Without a validation split the last epoch is the best."""
    if row["validation_accuracy"] is None:
        return (row["epoch"],)
    by_accuracy = (row["validation_accuracy"], -row["validation_loss"])
    return by_accuracy if monitor == "accuracy" else by_accuracy[::-1]


def _means(totals: list[float]) -> dict[str, float]:
    count = max(totals[2], 1.0)
    return {"loss": totals[0] / count, "accuracy": totals[1] / count}


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Writes a row for each epoch as CSV, atomically."""

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="") as stream:
            table = csv.DictWriter(stream, fieldnames=list(history[0]))
            table.writeheader()
            table.writerows(history)

    write_atomically(path, write)


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows that `write_history` wrote, as numbers; empty cells are None."""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [{name: float(value) if value else None for name, value in row.items()} for row in rows]


class _Clock:
    """Time of an epoch's training steps and the share spent waiting for input.

    The first step of an epoch in a process is left out, if there is another: it may trace and compile, or fill
    the pipeline.
    """

    def __init__(self) -> None:
        self.started = self.last = time.perf_counter()
        self.measured_from = self.last
        self.steps, self.waited, self.waited_first = -1, 0.0, 0.0

    def wait_for(self, get: Callable[[], Any]) -> Any:
        before = time.perf_counter()
        value = get()
        self.waited += time.perf_counter() - before
        return value

    def step_done(self) -> None:
        self.last = time.perf_counter()
        self.steps += 1
        if self.steps == 0:
            self.measured_from, self.waited_first, self.waited = self.last, self.waited, 0.0

    def stop(self) -> None:
        self.last = time.perf_counter()

    def rates(self, global_batch: int) -> dict[str, float]:
        steps, waited, since = self.steps, self.waited, self.measured_from
        if steps < 1:
            steps, waited, since = steps + 1, self.waited_first, self.started
        elapsed = max(self.last - since, 1e-9)
        return {
            "images_per_second": steps * global_batch / elapsed,
            "input_wait_fraction": min(1.0, waited / elapsed),
        }

    def seconds(self) -> float:
        return time.perf_counter() - self.started
