"""A stretch of a phase trained again, from a kept checkpoint or from its beginning, by what trains it: `Loop`.

Nothing of the run is written to: the checkpointer in place of the phase's keeps nothing but the best model, in the
folder of the replay.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import tensorflow as tf
from typing_extensions import override

from ftdata import seeds
from trainers.config import Phase
from trainers.models import plain_layers
from trainers.models.classifier import load_weights
from trainers.rundir import checkpoint
from trainers.rundir.checkpointer import NullCheckpointer, progress_at
from trainers.rundir.progress import Progress
from trainers.runtime.signals import Interrupted
from trainers.training import phase_model
from trainers.training.context import RunContext
from trainers.training.phase import assemble, variable_groups
from trainers.training.phase_receipt import computed
from trainers.training.plan import make_plan

Arrays = Mapping[str, np.ndarray]  # values of a checkpoint, by group and place


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Some steps of a phase.

    Attributes:
      phase: its name.
      first: steps done before.
      end: steps done after.
      start: the checkpoint that it starts from; None for the beginning of the phase, which is built again.
      is_last: whether the phase ends there.
    """

    phase: str
    first: int
    end: int
    start: Path | None
    is_last: bool

    def __str__(self) -> str:
        if self.is_last and not self.end:
            return f"{self.phase}, the head that is solved for"
        return f"{self.phase}, steps {self.first:,} to {self.end:,}"


@dataclasses.dataclass(frozen=True)
class Replayed:
    """What a stretch gives when it is trained again.

    Attributes:
      began_with: the values at its start.
      arrays: the values at its end.
      digests: as a receipt has them at its end.
      steps: done at its end.
      best_epoch: the epoch of the stretch that is the best of the phase so far; None where it holds none.
      best_sha256: of the weights of that epoch's model.
    """

    began_with: Arrays
    arrays: Arrays
    digests: Mapping[str, Any]
    steps: int
    best_epoch: int | None
    best_sha256: str | None


class _Reached(Exception):
    """The end of the stretch."""


class _Until(NullCheckpointer):
    """Ends the loop where a stretch ends, and keeps the best model of it."""

    def __init__(self, stretch: Stretch, best: Path):
        super().__init__()
        self._stretch, self._best, self.best_epoch = stretch, best, None

    best_epoch: int | None

    @override
    def keep_best(self, progress: Progress, *, write: Callable[[Path], Any]) -> None:
        assert progress.best is not None, "it is kept"
        write(self._best)
        self.best_epoch = progress.best["epoch"]

    @override
    def save(self, progress: Progress) -> None:
        if progress.step >= self._stretch.end:
            raise _Reached


def replay(phase: Phase, context: RunContext, stretch: Stretch, *, with_rounding: bool = False) -> Replayed:
    """Trains a stretch again.

    Args:
      phase: whose stretch it is.
      context: as that of the run, with its images open and a folder of its own that holds the best model of the phase
        before.
      stretch: what to train.
      with_rounding: starts from weights that are changed by up to a unit in the last place of what is computed in. What
        that leads to is how far another machine's rounding may lead.

    Raises:
      UserError: a checkpoint that does not fit.
      Diverged: the loss is not finite.
      Interrupted: somebody asked to stop.
    """
    network = phase_model.build(phase, context)
    plan = make_plan(phase, context)
    if stretch.end:  # where the checkpoint at its end was written, whatever the run was told since
        plan = dataclasses.replace(plan, checkpoint_every_steps=stretch.end)
    groups, progress = variable_groups(network), Progress()
    if stretch.start:
        progress = progress_at(stretch.start, groups=groups)
    began_with = checkpoint.copied(groups)
    if with_rounding:
        _round(network.weights, context)
    best = context.run_dir.phase(phase.name).root / f"replayed-{stretch.first}.keras"
    best.parent.mkdir(parents=True, exist_ok=True)
    until = _Until(stretch, best)
    made = assemble(phase, plan, context, network, until, progress)
    try:
        made.loop.run()
    except _Reached as end:
        if isinstance(end.__context__, Interrupted):  # in the scoring after the last step, which is part of the stretch
            raise end.__context__ from None
    arrays, state = checkpoint.copied(groups), dataclasses.asdict(progress)
    digests = computed(arrays, state, made.streams, first=stretch.first, step=progress.step)
    sha256 = None
    if until.best_epoch is not None:
        load_weights(network, best)
        sha256 = checkpoint.weights_sha256(plain_layers.weights(network))
    return Replayed(began_with, arrays, digests, progress.step, until.best_epoch, sha256)


def _round(weights: Sequence[keras.Variable], context: RunContext) -> None:
    """Changes each weight by a share of itself, up to the spacing of the numbers that the network computes with."""
    generator = seeds.generator(context.config.seed, "rounding")
    unit = tf.as_dtype(keras.DTypePolicy(context.config.precision).compute_dtype)
    spacing = float(ml_dtypes.finfo(unit.as_numpy_dtype).eps)
    for weight in weights:
        values = np.asarray(weight.numpy())
        if np.issubdtype(values.dtype, np.floating):
            weight.assign(values * (1 + spacing * generator.uniform(-1, 1, values.shape)).astype(values.dtype))


def deviation(began_with: Arrays, one: Arrays, other: Arrays) -> float:
    """How far two results of a stretch lie apart, as a share of the way that the weights have gone in it.

    The norm of their difference over that of the change to `one`, of all weights together; infinity where they have not
    moved and are not the same.
    """
    apart = moved = 0.0
    for name in (name for name in one if name.startswith("weights/")):
        before, this, that = (values[name].astype(np.float64) for values in (began_with, one, other))
        apart += float(np.sum((that - this) ** 2))
        moved += float(np.sum((this - before) ** 2))
    if not apart:
        return 0.0
    return float(np.sqrt(apart / moved)) if moved else float("inf")
