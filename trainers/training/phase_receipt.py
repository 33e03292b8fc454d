"""What the receipt of a run says of a phase, while it trains."""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ftdata.log import log
from ftdata.names import counted
from trainers.config import Phase
from trainers.rundir import checkpoint
from trainers.rundir.bound import settings_fingerprint
from trainers.rundir.chain import canonical
from trainers.rundir.checkpointer import VariableGroups
from trainers.rundir.progress import TIMINGS, Progress, without_timings
from trainers.rundir.receipt import Receipt
from trainers.training.context import RunContext
from trainers.training.plan import PhasePlan
from trainers.training.streams import Streams


class PhaseReceipt:
    """Tells the receipt, where there is one, of the start of a phase, of its kept checkpoints, its end and its result.

    Args:
      phase: that trains.
      plan: of it.
      context: of the run; without a receipt nothing is done.
      groups: the variables of a checkpoint.
      callbacks: of the user, by the names of their classes.
    """

    def __init__(
        self, phase: Phase, plan: PhasePlan, context: RunContext, groups: VariableGroups, callbacks: Sequence[str]
    ):
        self._phase, self._plan, self._context, self._groups = phase.name, plan, context, groups
        self._callbacks = list(callbacks)
        self._files, self._streams = context.run_dir.phase(phase.name), None
        self._steps = frozenset(plan.kept_steps(context.config.runtime.keep_checkpoints))

    _streams: Streams | None

    @property
    def _receipt(self) -> Receipt | None:
        return self._context.receipt

    def begin(self, progress: Progress) -> None:
        """The phase begins or resumes, with the variables that it has now; before a head is solved for."""
        if not self._receipt:
            return
        values = description(self._phase, self._plan, self._context)
        is_fresh = not progress.step and not progress.history
        if is_fresh:
            values["start"] = checkpoint.group_digests(checkpoint.copied(self._groups))
        more = {"callbacks": self._callbacks, "begins_at": progress.step}
        is_new = self._receipt.begin_phase(self._phase, values, more, step=progress.step)
        if is_new or is_fresh:
            shutil.rmtree(self._files.kept, ignore_errors=True)
        else:
            checkpoint.discard_beyond(self._files.kept, progress.step)

    def follow(self, streams: Streams, progress: Progress) -> None:
        """The phase is about to train. What a crash has left out is added."""
        self._streams = streams
        if not self._receipt or progress.step not in self._steps:
            return
        if not any(entry["step"] == progress.step for entry in self._receipt.of_phase(self._phase, "state")):
            path = checkpoint.path_of(self._files.checkpoints, progress.step)
            self.saved(path, progress.step, checkpoint.copied(self._groups), dataclasses.asdict(progress))

    def saved(self, path: Path, step: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """A checkpoint has its name: it is kept where the plan says so."""
        if self._receipt and step in self._steps:
            checkpoint.keep(path, self._files.kept)
            self._receipt.add_state(self._phase, step, self._computed(step, arrays, state))

    def end(self, progress: Progress) -> None:
        """The phase has trained to its end, and all checkpoints are written."""
        if not self._receipt:
            return
        values = self._computed(progress.step, checkpoint.copied(self._groups), dataclasses.asdict(progress))
        self._receipt.add_state(self._phase, progress.step, values, is_end=True)
        kept = sorted(self._files.kept.glob("step-*"))
        if not kept and self._context.config.runtime.keep_checkpoints and progress.step > 1:
            log.info(
                "  --phase=verify would train this phase again from its first step: it was over before a checkpoint "
                "was due (--checkpoint_every_steps)"
            )
        if kept:
            size = sum(path.stat().st_size for folder in kept for path in folder.iterdir()) / 2**20
            log.info(
                f"  {counted(len(kept), 'checkpoint')} kept for --phase=verify: {size:,.1f} MiB in {kept[0].parent}"
            )

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """The phase has left its metrics."""
        if self._receipt:
            self._receipt.finish_phase(self._phase, lasting(metrics))

    def _computed(self, step: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> dict[str, Any]:
        assert self._receipt is not None, "there is one"
        assert self._streams is not None, "it follows the phase"
        (begun,) = self._receipt.of_phase(self._phase, "phase")
        states = self._receipt.of_phase(self._phase, "state")
        before = [entry["step"] for entry in states if entry["step"] < step]
        first = before[-1] if before else min(step, begun["begins_at"])
        return computed(arrays, state, self._streams, first=first, step=step)


def description(phase: str, plan: PhasePlan, context: RunContext) -> dict[str, Any]:
    """What a phase is to do, as JSON values."""
    chosen = context.role.chosen.get(phase)
    return {
        "flags": settings_fingerprint(context.record.deciding[phase]),
        "plan": {name: getattr(plan, name) for name in ("epochs", "steps_per_epoch", "global_batch")},
        "chosen": list(chosen) if chosen else None,
        "is_soup": phase in context.role.soup,
    }


def computed(
    arrays: Mapping[str, np.ndarray], state: Mapping[str, Any], streams: Streams, *, first: int, step: int
) -> dict[str, Any]:
    """What was computed up to a step, as digests by name: variables by group, scores, and what was drawn since the
    step `first`."""
    scores = checkpoint.sha256(canonical(without_timings(state)))
    return {**checkpoint.group_digests(arrays), "scores": scores, **streams.digests(first, step)}


def lasting(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What of metrics.json a repetition gives again; tables and lists as digests."""
    kinds = (str, int, float, bool, type(None))
    return {
        name: value if isinstance(value, kinds) else f"SHA-256 {checkpoint.sha256(canonical(value))}"
        for name, value in metrics.items()
        if name not in TIMINGS
    }
