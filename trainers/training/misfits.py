"""Settings that do not fit the length of a phase."""

from collections.abc import Iterator, Sequence

from ftdata.names import counted
from ftdata.settings import as_text
from trainers.config import Phase, epochs_and_rate
from trainers.training.averaging import highest_decay
from trainers.training.context import RunContext
from trainers.training.optimizer import warmup
from trainers.training.plan import PhasePlan


def misfits(phase: Phase, plan: PhasePlan, context: RunContext) -> Iterator[str]:
    """A line for each: what was asked for, how long the phase is, and what is done instead."""
    training, runtime = context.config.training, context.config.runtime
    if plan.solves_head:
        return
    length = f"the {counted(plan.total_steps, 'step')} of {phase.name}"
    steps = warmup(training.warmup_steps, total_steps=plan.total_steps)
    if steps < training.warmup_steps:
        instead = f"the first {steps:,} warm up" if steps > 1 else "it has no warm-up"
        yield f"--warmup_steps={training.warmup_steps} is more than a fifth of {length}: {instead}"
    yield from _averages(training.ema_decays, plan.total_steps, length)
    yield from _patience(phase, context)
    if runtime.profile_steps and runtime.profile_steps[1] > plan.total_steps:
        first, last = runtime.profile_steps
        left = max(0, plan.total_steps - first)
        yield f"--profile_steps={first},{last} reaches beyond {length}: {counted(left, 'step')} of it are profiled"
    longest = min(plan.steps_per_epoch, runtime.log_every_steps, runtime.checkpoint_every_steps)
    if plan.steps_per_execution > longest:
        yield (
            f"--steps_per_execution={plan.steps_per_execution} has no effect, since something is due every {longest}: "
            "the end of an epoch, --log_every_steps or --checkpoint_every_steps"
        )
    count = len(context.source.train)
    passes = plan.steps_per_epoch * plan.global_batch / count
    if training.steps_per_epoch and passes >= 2:
        yield (
            f"--steps_per_epoch={training.steps_per_epoch} makes an epoch of {passes:.1f} passes over the {count:,} "
            "training images"
        )


def _averages(decays: Sequence[float], steps: int, length: str) -> Iterator[str]:
    highest = highest_decay(steps)
    same = [decay for decay in decays if decay >= highest]
    if len(same) > 1:
        yield (
            f"--ema_decay={as_text(tuple(same))} are one average in {length}, in which a decay rises to {highest:.3g} "
            "at most: give one of them"
        )


def _patience(phase: Phase, context: RunContext) -> Iterator[str]:
    patience = context.config.training.early_stopping_patience
    if not patience or context.config.training.folds:  # which choose the epoch, whatever a preset's patience
        return
    if not len(context.source.validation):
        yield "--early_stopping_patience has no effect without a validation split"
        return
    epochs = {one.name: epochs_and_rate(one, context.config.training)[0] for one in context.config.phases}
    if max(epochs.values()) <= patience:  # a preset's patience is meant for its longest phase
        yield (
            f"--early_stopping_patience={patience} cannot end {phase.name} early, which has "
            f"{counted(epochs[phase.name], 'epoch')}"
        )
