"""Which stretches of a run are trained again, with which settings and images, and what comes of it."""

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from ftdata.sources.source import Source
from trainers.commands import audit, train
from trainers.commands.audit import Finding
from trainers.config import PHASES, from_dict
from trainers.rundir import checkpoint, image_table
from trainers.rundir.chain import Entry
from trainers.rundir.receipt import of_phase
from trainers.rundir.run_dir import PhaseDir, RunDir
from trainers.runtime.signals import StopRequest
from trainers.training.context import Candidate, FoldRole, RunContext
from trainers.training.phase_receipt import description
from trainers.training.plan import make_plan
from trainers.training.replay import Arrays, Replayed, Stretch, deviation

# How many times as far as a rounding error at its start leads a stretch, its result on another machine may lie from the
# one that is recorded. One rounding error is a sample of how far many lead, so there is some room.
TOLERANCE = 5.0
_COMPUTED = ("weights", "optimizer", "scores")
_PLACES = ("backbone", "weights", "init_from")  # recorded by content


def stretches(entries: Sequence[Entry], phase: str, files: PhaseDir) -> list[Stretch]:
    """The stretches of a phase between its kept checkpoints, its beginning and its end, that can be replayed."""
    (begun,) = of_phase(entries, phase, "phase")
    found, first, start = list[Stretch](), begun["begins_at"], None
    for entry in of_phase(entries, phase, "state"):
        can_start = start is not None or (first == 0 and "start" in begun)
        is_new = entry["step"] > first or not of_phase(entries, phase, "state")[:-1]
        if can_start and is_new:
            found.append(Stretch(phase, first, entry["step"], start, entry["is_end"]))
        if not entry["is_end"]:
            first, start = entry["step"], checkpoint.path_of(files.kept, entry["step"])
    return found


def chosen(found: Sequence[Stretch], which: str) -> list[Stretch]:
    """One of them, which nobody could foresee, or all."""
    # not of ftdata.seeds: whoever knows the seed of the run must not know what will be looked at
    return list(found) if which == "all" or not found else [secrets.choice(found)]


def context_of(
    begun: Entry,
    settings: Mapping[str, Any],
    source: Source,
    devices: tf.distribute.Strategy,
    *,
    folder: Path,
    stop: StopRequest,
) -> RunContext:
    """The context of a phase as its run had it, with the images open and everything that is kept in `folder`.

    Args:
      begun: the entry of the phase.
      settings: of the run, with the places where files lie now.
      source: its images, as the phase trained on them.
      devices: to replay on.
      folder: for the replay.
      stop: tells when somebody asks to stop.
    """
    name = begun["phase"]
    flags = {key: value for key, value in begun["flags"].items() if key not in _PLACES}
    settled = from_dict({**settings, **flags, "phase": name, "data_dir": str(folder / "data"), "tensorboard": False})
    context = train.make_context(settled, source, RunDir(folder), devices, stop=stop)
    chosen_epoch = {name: Candidate(*begun["chosen"])} if begun["chosen"] else {}
    return dataclasses.replace(train.opened(context, settled), role=FoldRole(chosen=chosen_epoch))


def plan_differences(begun: Entry, context: RunContext) -> list[Finding]:
    """Whether what the phase was to do is what these flags and images make of it."""
    now = description(begun["phase"], make_plan(PHASES[begun["phase"]], context), context)
    return [
        Finding("flags", f"{name} of {begun['phase']}: was {begun['plan'][name]}, these flags and images give {value}")
        for name, value in now["plan"].items()
        if begun["plan"][name] != value
    ]


def data_differences(run_dir: RunDir, source: Source) -> list[Finding]:
    """The images and data files that are not those of the run."""
    lines = image_table.differences(run_dir.receipt_images.read_bytes(), image_table.table(source))
    return [Finding("data", line) for line in lines]


def is_exact(stretch: Stretch, replayed: Replayed, entries: Sequence[Entry]) -> bool:
    """Whether a replay has given the bits that the receipt tells of."""
    state = _state(stretch, entries)
    return all(replayed.digests[name] == state[name] for name in _COMPUTED)


def recorded_values(stretch: Stretch, entries: Sequence[Entry], files: PhaseDir) -> Arrays | None:
    """The values at the end of a stretch as the run left them, where they are kept."""
    path = audit.values_at(_state(stretch, entries), files)
    return checkpoint.read(path)[0] if path else None


def judge_bits(stretch: Stretch, replayed: Replayed, entries: Sequence[Entry]) -> list[Finding]:
    """What is not as the receipt says, on a machine and with code like those of the run."""
    (begun,) = of_phase(entries, stretch.phase, "phase")
    found = _of_streams(stretch, replayed, entries, exactly=True) + _start(stretch, replayed, begun)
    if is_exact(stretch, replayed, entries):
        return found + _best(stretch, replayed, entries)
    state = _state(stretch, entries)
    altered = [name for name in _COMPUTED if replayed.digests[name] != state[name]]
    return [*found, Finding("replay", f"{stretch} gives other {' and '.join(altered)} than the run has recorded")]


def judge_distance(
    stretch: Stretch, replayed: Replayed, rounded: Replayed, recorded: Arrays, entries: Sequence[Entry]
) -> tuple[str, list[Finding]]:
    """What a replay on another machine or with other versions shows: in words, and what is not as the receipt says.

    Args:
      stretch: that was replayed.
      replayed: what came of it.
      rounded: what came of it with rounding errors at its start.
      recorded: the values at its end as the run left them.
      entries: of the receipt.
    """
    apart = deviation(replayed.began_with, recorded, replayed.arrays)
    leads = deviation(replayed.began_with, replayed.arrays, rounded.arrays)
    words = f"{apart:.2g} of the way of the weights from the run, where a rounding error leads {leads:.2g}"
    found = _of_streams(stretch, replayed, entries, exactly=False)
    if apart > TOLERANCE * leads:
        beyond = f"{words}: more than {TOLERANCE:g} times that"
        return words, [*found, Finding("replay", f"{stretch} gives other weights than the run has recorded, {beyond}")]
    return words, found


def _state(stretch: Stretch, entries: Sequence[Entry]) -> Entry:
    """The entry of the end of a stretch."""
    states = of_phase(entries, stretch.phase, "state")
    return next(one for one in states if one["step"] == stretch.end and one["is_end"] == stretch.is_last)


def _of_streams(stretch: Stretch, replayed: Replayed, entries: Sequence[Entry], *, exactly: bool) -> list[Finding]:
    """Whether the same images come in the same order, augmented alike, for as many steps.

    The order is one of whole numbers, the same everywhere; the last bits of what augmentation draws need not be.
    """
    state, found = _state(stretch, entries), list[Finding]()
    if replayed.steps != stretch.end:
        found.append(Finding("replay", f"{stretch}: it ends after step {replayed.steps:,}"))
    elif replayed.digests["order"] != state["order"]:
        found.append(Finding("order", f"{stretch}: other images come, or in another order"))
    if exactly and replayed.digests["augmentation"] != state["augmentation"]:
        found.append(Finding("augmentation", f"{stretch}: other numbers are drawn for it"))
    return found


def _start(stretch: Stretch, replayed: Replayed, begun: Entry) -> list[Finding]:
    """Whether a phase that is built again begins with the weights that the run began with."""
    if stretch.start or checkpoint.group_digests(dict(replayed.began_with)) == begun["start"]:
        return []
    return [Finding("weights", f"{stretch.phase} does not begin with the weights that the run began with")]


def _best(stretch: Stretch, replayed: Replayed, entries: Sequence[Entry]) -> list[Finding]:
    """Whether the best model of the phase is that of its epoch, where the stretch holds that and nothing mixed it."""
    for entry in of_phase(entries, stretch.phase, "result"):
        said = entry["result"]
        is_mixed = "interpolation" in said or "soup" in said
        is_its = replayed.best_epoch == said["epoch"] and stretch.end <= said["step"]
        if is_its and not is_mixed and replayed.best_sha256 != said["weights_sha256"]:
            return [Finding("weights", f"{stretch.phase}/best.keras is not the model of epoch {said['epoch']}")]
    return []
