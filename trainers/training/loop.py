"""Epochs, validation, the best epoch, early stopping and checkpoints of one phase.

An explicit loop, because `model.fit` of Keras 3.15 fails across workers (keras#20585), turns XLA off under
every strategy and cannot resume in the middle of an epoch. It drives keras.callbacks.CallbackList.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from ftdata.log import log
from ftdata.names import counted
from ftdata.pipeline import Batch
from trainers.rundir import divergence
from trainers.rundir.checkpointer import Checkpointer, NullCheckpointer
from trainers.rundir.progress import Progress, Row
from trainers.runtime.signals import Interrupted
from trainers.runtime.stopping import StopConsensus
from trainers.training.callbacks import Watcher
from trainers.training.candidates import Candidates
from trainers.training.epoch_row import keras_logs, means, monitor_key
from trainers.training.optimizer import applied_steps, loss_scale
from trainers.training.plan import PhasePlan
from trainers.training.step import TrainStep
from trainers.training.tensorboard import TensorBoardWriter
from trainers.training.timer import EpochTimer


class Loop:
    """Trains one phase to its end.

    Args:
      plan: of the phase.
      model: compiled, its optimizer built.
      train_step: of the model.
      batches: (first step, end step) -> iterator of distributed batches.
      candidates: the weights that compete to be the best.
      checkpointer: saves the state.
      progress: where to resume.
      board: TensorBoard, if it is wanted.
      consensus: whether somebody asks to stop.
      callbacks: Keras callbacks.
    """

    def __init__(
        self,
        plan: PhasePlan,
        *,
        model: keras.Model,
        train_step: TrainStep,
        batches: Callable[[int, int], Iterator[Batch]],
        candidates: Candidates,
        checkpointer: Checkpointer | NullCheckpointer,
        progress: Progress,
        board: TensorBoardWriter | None,
        consensus: StopConsensus,
        callbacks: Sequence[keras.callbacks.Callback],
    ):
        self.plan, self.model, self.train_step = plan, model, train_step
        self.batches, self.candidates = batches, candidates
        self.checkpointer, self.progress, self.board, self.consensus = checkpointer, progress, board, consensus
        parameters = {"epochs": plan.epochs, "steps": plan.steps_per_epoch, "verbose": 0}
        self.callbacks = keras.callbacks.CallbackList(list(callbacks), model=model, **parameters)
        self._timer = EpochTimer(progress.clock)
        self._pending: list[tf.Tensor] = []  # results not fetched yet, so that an accelerator can run ahead

    def run(self) -> None:
        """Trains.

        Raises:
          Diverged: the loss or the weights are not finite; the last checkpoint is from before that.
          Interrupted: somebody asked to stop; everything is saved.
          WriteFailed: no space, no permission; the last checkpoint is whole.
        """
        plan, progress = self.plan, self.progress
        if progress.step:
            log.info(f"resuming from step {progress.step} of {plan.total_steps}")
        self.model.stop_training = progress.stopped
        with self.consensus.stop.deferred(), self.checkpointer:
            self.callbacks.on_train_begin()
            try:
                is_judged = self.candidates.can_be_scored or plan.solves_head or not plan.last_epoch
                is_candidate = plan.starts_from_trained and is_judged
                if is_candidate and not progress.step and not progress.history:
                    self._score_start()
                batches = self.batches(progress.step, plan.total_steps)
                while progress.epochs < plan.last_epoch and not progress.stopped:
                    self._epoch(progress.epochs, batches)
            except Interrupted:
                self._save()
                self._finish()
                if isinstance(self.checkpointer, Checkpointer):
                    log.info(f"saved at step {progress.step} of {plan.total_steps}")
                raise
            self.callbacks.on_train_end()
            self._finish()

    def _score_start(self) -> None:
        """Makes the model that the phase starts from its epoch 0, which the others have to beat."""
        progress, timer = self.progress, EpochTimer()
        row: Row = {"epoch": 0, "step": 0, "loss": None, "accuracy": None}
        row |= self.candidates.score(at_start=True)
        row |= {"learning_rate": None, "images_per_second": None, "input_wait_fraction": None, **self._scaling()}
        row["seconds"] = timer.seconds()
        progress.seconds += row["seconds"]
        progress.history.append(row)
        self._update_best(row)
        for callback in self.callbacks.callbacks:
            if isinstance(callback, Watcher):
                callback.on_starting_point({**keras_logs(row), "is_best": True})
        self._timer = EpochTimer()  # its time is that of epoch 0
        self._save()

    def _epoch(self, epoch: int, batches: Iterator[Batch]) -> None:
        plan, progress = self.plan, self.progress
        end = (epoch + 1) * plan.steps_per_epoch
        self.callbacks.on_epoch_begin(epoch)
        self._timer = timer = EpochTimer(progress.clock)
        while progress.step < end and not self.model.stop_training:
            self.consensus.check()
            count = plan.steps_at_once(progress.step)
            rates = [plan.rate(progress.step + number) for number in range(count)]
            several = timer.wait_for(functools.partial(_take, batches, count))
            in_epoch = progress.step % plan.steps_per_epoch
            for number in range(count):
                self.callbacks.on_train_batch_begin(in_epoch + number)
            self._pending += self.train_step.several(several, first=progress.step, learning_rates=rates)
            self.consensus.note(self._pending[-1])
            progress.step += count
            timer.steps_done(count)
            logs = self._log_point(rates[-1]) if progress.step % plan.log_every_steps == 0 else {}
            for number in range(count):
                self.callbacks.on_train_batch_end(in_epoch + number, logs if number == count - 1 else {})
            if progress.step % plan.checkpoint_every_steps == 0 and progress.step < end:
                self._save()
        self._fetch()
        timer.stop()
        self._end_epoch(epoch, self.candidates.score())

    def _fetch(self) -> None:
        """Adds up what the steps since the last call returned.

        Raises:
          Diverged: a loss is not finite. With loss scaling the optimizer has skipped such a step, and it does
            not count; there, the scale tells.
        """
        progress, scale = self.progress, loss_scale(self.model.optimizer)
        for step, result in enumerate(self._pending, progress.step - len(self._pending) + 1):
            values = np.asarray(result, np.float64)[:3]
            if scale is not None and not np.isfinite(values).all():
                continue
            divergence.check_loss(values[0] / values[2], step=step)
            progress.totals = [float(a + b) for a, b in zip(progress.totals, values, strict=True)]
            progress.window = [float(a + b) for a, b in zip(progress.window, values, strict=True)]
        self._pending.clear()
        if scale is not None:
            divergence.check_loss_scale(scale, step=progress.step)
            progress.skipped_steps = progress.step - applied_steps(self.model.optimizer)

    def _log_point(self, rate: float) -> dict[str, float]:
        self._fetch()
        averages, rates = means(self.progress.window), self._timer.rates(self.plan.global_batch)
        self.progress.window = [0.0, 0.0, 0.0]
        return {**averages, "learning_rate": rate, **rates, **self._scaling(), "step": self.progress.step}

    def _scaling(self) -> dict[str, float]:
        """With loss scaling: its scale, and how many steps of the phase it skipped."""
        scale = loss_scale(self.model.optimizer)
        return {} if scale is None else {"loss_scale": scale, "skipped_steps": self.progress.skipped_steps}

    def _end_epoch(self, epoch: int, scores: Row) -> None:
        progress = self.progress
        row: Row = {"epoch": epoch + 1, "step": progress.step, **means(progress.totals), **scores}
        row |= {"learning_rate": self.plan.rate(progress.step - 1), **self._timer.rates(self.plan.global_batch)}
        row |= {**self._scaling(), "seconds": self._timer.seconds()}
        progress.seconds += row["seconds"]
        progress.history.append(row)
        progress.totals = [0.0, 0.0, 0.0]
        self._update_best(row)
        self.callbacks.on_epoch_end(epoch, {**keras_logs(row), "is_best": progress.best is row})
        self._check_rate(row["learning_rate"])
        if progress.stopped:
            log.info(f"no improvement in {counted(progress.epochs_without_improvement, 'epoch')}: stopping")
        progress.stopped = progress.stopped or bool(self.model.stop_training)
        self._timer = EpochTimer()
        self._save()

    def _check_rate(self, expected: float) -> None:
        found = float(self.model.optimizer.learning_rate.numpy())
        if not math.isclose(found, expected, rel_tol=1e-6):
            log.info(
                f"note: a callback has set the learning rate to {found:g}, which has no effect: the schedule sets it "
                "at every step (see --learning_rate_schedule and --warmup_steps)"
            )

    def _update_best(self, row: Row) -> None:
        """Keeps the epoch if it is the best so far; counts towards early stopping if not."""
        progress, monitor = self.progress, self.plan.monitor
        is_best = progress.best is None or monitor_key(row, monitor) > monitor_key(progress.best, monitor)
        if is_best or self.plan.keeps_last:
            progress.best, progress.epochs_without_improvement = row, 0
            self.checkpointer.keep_best(progress, write=functools.partial(self.candidates.save, row=row))
            return
        progress.epochs_without_improvement += 1
        if self.plan.patience and progress.epochs_without_improvement >= self.plan.patience:
            progress.stopped = True

    def _save(self) -> None:
        self._fetch()
        self.progress.clock = self._timer.state()
        if self.board:
            self.progress.event_files = self.board.flushed_sizes() or self.progress.event_files
        self.checkpointer.save(self.progress)

    def _finish(self) -> None:
        """Returns when rank 0 has written everything: before that nobody may leave, which would end it."""
        self.checkpointer.finish(self.progress)
        self.consensus.processes.barrier()


def _take(batches: Iterator[Batch], count: int) -> list[Batch]:
    return [next(batches) for _ in range(count)]
