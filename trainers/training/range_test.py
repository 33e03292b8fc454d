"""The learning-rate range test: a phase's first steps at rates that rise until its loss diverges."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable

import keras
import numpy as np

from ftdata.errors import UserError
from ftdata.names import counted
from trainers.config import Phase
from trainers.models.cut import cut
from trainers.rundir.checkpointer import NullCheckpointer
from trainers.rundir.divergence import Diverged
from trainers.rundir.progress import Progress
from trainers.training import feature_views, phase_model, phase_step
from trainers.training.callbacks import Logs, ProgressLines
from trainers.training.candidates import Candidates
from trainers.training.context import RunContext
from trainers.training.held_out import HeldOut
from trainers.training.loop import Loop
from trainers.training.loss_curve import LossCurve
from trainers.training.optimizer import optimizer_state
from trainers.training.plan import PhasePlan, make_plan

LOWEST, HIGHEST = 1e-7, 10.0
MOST_STEPS, _FEWEST_STEPS, _MOST_PASSES = 100, 40, 10
_DIVERGED = 4.0  # times the lowest loss
_DECAY = 0.9  # of the running mean that tells divergence
_FEWEST_LOSSES = 10  # of fewer no curve can be made


def number_of_steps(images: int, *, batch_size: int) -> int:
    """Steps of a test: 100, but no more than ten passes over the images, and at least 40.

    With every pass the loss falls by what was learned by heart, whatever the rate.
    """
    return min(MOST_STEPS, max(_FEWEST_STEPS, _MOST_PASSES * images // batch_size))


def rate_of(step: int, *, steps: int) -> float:
    """The learning rate of a step from 0 to steps - 1: rises exponentially from LOWEST to HIGHEST."""
    return LOWEST * (HIGHEST / LOWEST) ** (step / (steps - 1))


def loss_curve(phase: Phase, context: RunContext) -> LossCurve:
    """The losses of a phase's first steps while the learning rate rises (Smith, 2015, arXiv:1506.01186).

    They are those steps: the same images in the same order, augmented alike, with the optimizer and the network that
    the phase starts with. The same steps are taken before with a learning rate of 0, for what the losses of these
    images are while nothing has been learned. Nothing is written (but the features that the phase itself would read).

    Args:
      phase: to be tested.
      context: with the training images open and no validation split.

    Raises:
      UserError: settings of the model that cannot be used, or a start whose loss is not finite.
      Interrupted: somebody asked to stop.
    """
    network = phase_model.build(phase, context)
    variables = [*network.weights, *optimizer_state(network.optimizer)]
    start = [variable.numpy() for variable in variables]
    run, plan = _runner(phase, context, network)
    still = run(dataclasses.replace(plan, rate=lambda step: 0.0), None)
    if len(still.losses) < plan.total_steps:
        raise UserError(
            f"find_learning_rate: the loss of {phase.name} is not finite in step {len(still.losses) + 1}, with nothing "
            "learned, so that no learning rate would do: try --mixed_precision=float32 or other --weights"
        )
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    found = run(plan, still.losses)
    if len(found.losses) < _FEWEST_LOSSES:
        raise UserError(
            f"find_learning_rate: the loss of {phase.name} diverges after {counted(len(found.losses), 'step')}, at a "
            f"rate below {rate_of(_FEWEST_LOSSES, steps=plan.total_steps):.1g}, so that no other would do: try "
            "--gradient_clip_norm=1 or other --weights"
        )
    starting = np.array(still.losses[: len(found.losses)])
    return LossCurve(np.array(found.rates), np.array(found.losses), starting, found.has_diverged)


def _runner(
    phase: Phase, context: RunContext, network: keras.Model
) -> tuple[Callable[[PhasePlan, list[float] | None], "_Recorder"], PhasePlan]:
    """Runs the first steps of a phase by a plan, beside the losses at the start if they are known; and the plan of the
    test."""
    whole, parts = make_plan(phase, context), cut(network)
    augmentation, consensus = phase_step.augmentation_of(phase, context), context.new_consensus()
    views = feature_views.of_phase(phase, whole, context, parts, Progress())
    suffix = parts.suffix if parts and views else None
    train_step = phase_step.train_step(context, network, augmentation, consensus, suffix=suffix)
    held_out = HeldOut(network, context, parts)  # has nothing to score

    def run(plan: PhasePlan, starting_losses: list[float] | None) -> _Recorder:
        progress = Progress()
        recorder = _Recorder(phase.name, plan, progress, starting_losses)
        loop = Loop(
            plan,
            model=network,
            train_step=train_step,
            batches=phase_step.training_batches(context, views or context.images["train"], seed=augmentation.seed),
            candidates=Candidates(phase, network, context, held_out, progress=progress, board=None),
            checkpointer=NullCheckpointer(),
            progress=progress,
            board=None,
            consensus=consensus,
            callbacks=[recorder],
        )
        with contextlib.closing(recorder):
            try:
                loop.run()
            except Diverged:
                recorder.has_diverged = True
        return recorder

    steps = number_of_steps(len(context.source.train), batch_size=whole.global_batch)
    return run, dataclasses.replace(
        whole,
        epochs=1,
        steps_per_epoch=steps,
        rate=functools.partial(rate_of, steps=steps),
        log_every_steps=1,  # every loss is looked at
        checkpoint_every_steps=steps,
        steps_per_execution=1,
        solves_head=False,
        starts_from_trained=False,
        ends_after=None,
    )


class _Recorder(ProgressLines):
    """Keeps the loss of every step, and ends the training where it diverges.

    That is where the mean loss at the start, and what the learning rates have changed of it, is above four times its
    lowest value and above the loss of a guess, log(number of classes). The change is a running mean with bias
    correction (Kingma and Ba, 2014, arXiv:1412.6980) of the losses less those of the same images at the start: one hard
    batch is none.

    Args:
      phase: its name.
      plan: of the test.
      progress: of the loop.
      starting_losses: of each step with nothing learned; without them nothing diverges but a loss that is not finite.

    Attributes:
      rates: of the steps whose loss is finite.
      losses: mean over the images of each.
      has_diverged: whether the training was ended by that.
    """

    def __init__(self, phase: str, plan: PhasePlan, progress: Progress, starting_losses: list[float] | None):
        super().__init__(f"{phase}'s range test", total_steps=plan.total_steps, global_batch=plan.global_batch)
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.has_diverged = False
        self._progress, self._counted = progress, 0.0
        self._starting_losses, self._sum, self._lowest = starting_losses, 0.0, math.inf

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Takes the loss of a step in."""
        assert logs, "the loop logs every step"
        super().on_train_batch_end(batch, logs)
        if self._progress.totals[2] == self._counted:  # loss scaling has skipped the step, whose loss is not finite
            self._end()
            return
        self._counted = self._progress.totals[2]
        self.rates.append(logs["learning_rate"])
        self.losses.append(logs["loss"])
        if self._starting_losses is None:
            return
        self._sum = _DECAY * self._sum + (1 - _DECAY) * (logs["loss"] - self._starting_losses[len(self.losses) - 1])
        mean = float(np.mean(self._starting_losses)) + self._sum / (1 - _DECAY ** len(self.losses))
        self._lowest = min(self._lowest, mean)
        if mean > max(_DIVERGED * max(self._lowest, 0.0), math.log(self.model.output_shape[-1])):
            self._end()

    def _end(self) -> None:
        self.has_diverged = self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Logs nothing: there are no epochs."""

    def close(self) -> None:
        """Removes the bar."""
        if self.bar is not None:
            self.bar.close()
