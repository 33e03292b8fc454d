"""A phase in numbers: how long it is, and the learning rate of each step."""

import dataclasses
import functools
from collections.abc import Callable

from trainers.config import Phase, epochs_and_rate
from trainers.training.context import RunContext
from trainers.training.optimizer import learning_rate


@dataclasses.dataclass(frozen=True)
class PhasePlan:
    """What a phase is to do.

    Attributes:
      epochs: at most.
      steps_per_epoch: training steps.
      global_batch: images a step over all devices.
      rate: learning rate by step, from 0.
      monitor: the score that chooses the best epoch.
      patience: epochs without improvement to stop after; None for no early stopping.
      log_every_steps: steps between points in TensorBoard.
      checkpoint_every_steps: steps between checkpoints.
      steps_per_execution: steps that the device is given in one call.
      ends_after: the epoch after which to end, where that was chosen before; the schedule stays that of all epochs.
      keeps_last: the last epoch is kept, whatever the scores say.
      solves_head: the head is solved for before the first step; there are no epochs.
      starts_from_trained: a trained model is the start, and so a candidate for the best: epoch 0.
    """

    epochs: int
    steps_per_epoch: int
    global_batch: int
    rate: Callable[[int], float]
    monitor: str
    patience: int | None
    log_every_steps: int
    checkpoint_every_steps: int
    steps_per_execution: int = 1
    starts_from_trained: bool = False
    solves_head: bool = False
    ends_after: int | None = None
    keeps_last: bool = False

    @property
    def last_epoch(self) -> int:
        """The epoch after which the phase is done."""
        return self.epochs if self.ends_after is None else min(self.epochs, self.ends_after)

    @property
    def total_steps(self) -> int:
        """Steps of the whole phase."""
        return self.epochs * self.steps_per_epoch

    def kept_steps(self, count: int) -> list[int]:
        """The steps whose checkpoints stay when the phase is done: `count` of them, evenly spread, or as many as
        there are between its beginning and its end."""
        total = self.last_epoch * self.steps_per_epoch
        chosen = set[int]()
        for number in range(1, count + 1):
            wanted = total * number / (count + 1)
            near = [
                (round(wanted / every) + ahead) * every
                for every in (self.steps_per_epoch, self.checkpoint_every_steps)
                for ahead in (-1, 0, 1)
            ]
            free = [step for step in near if 0 < step < total and step not in chosen]
            chosen.update(sorted(free, key=lambda step: (abs(step - wanted), step))[:1])
        return sorted(chosen)

    def steps_at_once(self, step: int) -> int:
        """Steps from `step` on that go to the device in one call: `steps_per_execution`, or 1 on the way there.

        Nothing has to be done between them: no point in TensorBoard, no checkpoint, no end of an epoch. It depends
        on `step` alone, so that a run that resumes after a stop makes the same calls.
        """
        count, last = self.steps_per_execution, step + self.steps_per_execution - 1
        starts_here = step % self.steps_per_epoch % count == 0
        stops = (self.steps_per_epoch, self.log_every_steps, self.checkpoint_every_steps)
        return count if starts_here and all(step // every == last // every for every in stops) else 1


def make_plan(phase: Phase, context: RunContext) -> PhasePlan:
    """The plan of a phase for this data."""
    training, runtime = context.config.training, context.config.runtime
    solves_head = phase.trains_base == "nothing" and training.head_solver == "lbfgs"
    chosen = context.role.chosen.get(phase.name)
    epochs, highest = epochs_and_rate(phase, training)
    epochs = 0 if solves_head else epochs
    steps_per_epoch = training.steps_per_epoch or -(-len(context.source.train) // training.batch_size)
    rate = functools.partial(
        learning_rate,
        highest=highest,
        total_steps=epochs * steps_per_epoch,
        warmup_steps=training.warmup_steps,
        kind=training.learning_rate_schedule,
    )
    return PhasePlan(
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        global_batch=training.batch_size,
        rate=rate,
        monitor=context.config.monitor,
        patience=None if context.role.is_fold else training.early_stopping_patience,
        # a phase shorter than that would leave TensorBoard without a point
        log_every_steps=min(runtime.log_every_steps, epochs * steps_per_epoch),
        checkpoint_every_steps=runtime.checkpoint_every_steps,
        steps_per_execution=runtime.steps_per_execution,
        starts_from_trained=bool(solves_head or phase.starts_from or context.config.model.init_from),
        solves_head=solves_head,
        ends_after=(0 if phase.name in context.role.soup else chosen.epoch) if chosen else None,
        keeps_last=context.role.is_fold,
    )
