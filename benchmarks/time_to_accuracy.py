"""How long until the same validation accuracy? A part of `benchmarks.end_to_end`, asked for with `--accuracy`."""

import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import networks, timing
from benchmarks.harness.networks import Task
from benchmarks.harness.process import start_all
from benchmarks.harness.timing import Row
from benchmarks.sides.notebook import Notebook
from benchmarks.sides.ours import Ours
from flags.benchmark import NOTEBOOK
from ftdata.folders import folder
from ftdata.sources import holdout

_LEARNING_RATES = {"transfer": 1e-3, "finetune": 1e-4}
_HELD_OUT = 0.2
_VIEWS = 4  # of each image, whose features are computed once
EXCLUDED = (
    "Time to accuracy: one run a side, with the backbone's own preprocessing, epoch by epoch in turns (the notebook's "
    "first and alone where its accuracy is what is wanted); validation is in the seconds, and so are ours for the "
    "features and for decoding the validation images; starting up and (ours) decoding the training images once are not."
)


def measure(flags: Any, into: Path) -> list[Row]:
    """Trains MobileNetV2 (or `--backbone`) on every side; a row for each.

    Raises:
      ValueError: no `--image_dir`; a folder that cannot be used.
    """
    if not flags.image_dir:
        raise ValueError("--accuracy needs --image_dir")
    _hold_out(flags.image_dir, into, group_pattern=flags.group_pattern)
    network = networks.create(flags.backbone or "MobileNetV2", flags)
    network = dataclasses.replace(network, model=dataclasses.replace(network.model, preprocessing="backbone"))
    task = Task(network, into, _LEARNING_RATES)
    sides = {
        "notebook, fit without XLA": (Notebook, task, False),
        "ours, float32": (Ours, task, "float32", "memory"),
        "ours, mixed_bfloat16": (Ours, task, "mixed_bfloat16", "memory"),
        f"ours, features of {_VIEWS} views, float32": (Ours, task, "float32", "memory", _VIEWS),
        f"ours, features of {_VIEWS} views, mixed_bfloat16": (Ours, task, "mixed_bfloat16", "memory", _VIEWS),
    }
    with start_all(sides) as workers:
        if flags.accuracy == NOTEBOOK:
            runs, wanted = chase(workers, epochs=flags.epochs)
        else:
            wanted = float(flags.accuracy)
            runs = race(workers, epochs=flags.epochs, wanted=wanted)
    return rows(runs, task, images=len(list((into / "train").rglob("*.*"))), wanted=wanted)


@dataclasses.dataclass
class Run:
    """Seconds of training and validation, the best accuracy seen, and the epochs it took."""

    seconds: float = 0.0
    accuracy: float = 0.0
    epochs: int = 0


def race(
    workers: Mapping[str, Any],
    *,
    epochs: int,
    wanted: float,
    phases: Sequence[str] = tuple(_LEARNING_RATES),
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Run]:
    """The phases, `epochs` each at most, in turns, until each has the accuracy."""
    runs = {name: Run() for name in workers}
    for phase in phases:
        for name, worker in workers.items():
            if runs[name].accuracy < wanted:
                worker.call("prepare", phase)
        for _ in range(epochs):
            for name, run in runs.items():
                if run.accuracy < wanted:
                    start = clock()
                    run.accuracy = max(run.accuracy, workers[name].call("epoch"))
                    run.seconds, run.epochs = run.seconds + clock() - start, run.epochs + 1
    return runs


def chase(
    workers: Mapping[str, Any], *, epochs: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[dict[str, Run], float]:
    """Transfer. The first trains `epochs`; the accuracy it then has is wanted, and is returned with the runs.

    Its own run ends where it had this accuracy for the first time. The others have three times as many epochs.
    """
    name, first = next(iter(workers.items()))
    first.call("prepare", "transfer")
    run, trail = Run(), []
    for _ in range(epochs):
        start = clock()
        accuracy = first.call("epoch")
        run = Run(run.seconds + clock() - start, accuracy, run.epochs + 1)
        trail.append(run)
    wanted = run.accuracy
    others = {other: worker for other, worker in workers.items() if other != name}
    runs = {name: next(run for run in trail if run.accuracy >= wanted)}
    return runs | race(others, epochs=3 * epochs, wanted=wanted, phases=("transfer",), clock=clock), wanted


def rows(runs: Mapping[str, Run], task: Task, *, images: int, wanted: float) -> list[Row]:
    """A row for each run; `times_sooner` compares the seconds with the first's where both have the accuracy."""
    batch_size, first = task.network.batch_size, next(iter(runs.values()))
    in_epoch = images // batch_size * batch_size
    measured = {name: np.array([run.epochs * in_epoch / run.seconds]) for name, run in runs.items()}
    found = timing.rows(measured, baseline=next(iter(runs)), batch_size=batch_size)
    for row, run in zip(found, runs.values(), strict=True):
        row["name"] = f"{task.network.name}, until validation accuracy {wanted:.4g}: {row['name']}"
        row |= {"seconds": run.seconds, "accuracy": run.accuracy, "epochs": run.epochs}
        if min(run.accuracy, first.accuracy) >= wanted:
            row["times_sooner"] = first.seconds / run.seconds
    return found


def _hold_out(image_dir: str, into: Path, *, group_pattern: str | None) -> None:
    """Links the training images into train/ and validation/ below `into`."""
    listing = folder.scan(image_dir)
    files = listing.splits["train"]
    contents = [hashlib.blake2b(Path(path).read_bytes(), digest_size=16).digest() for path in files.paths]
    digests = np.frombuffer(b"".join(contents), np.uint64).reshape(-1, 2)
    places = holdout.places(files.names, digests, seed=0, part="validation", pattern=group_pattern)
    held_out = holdout.held_out(files.labels, places, fraction=_HELD_OUT, grouped=bool(group_pattern))
    for position, path in enumerate(files.paths):
        part = "validation" if held_out[position] else "train"
        place = into / part / listing.class_names[files.labels[position]]
        place.mkdir(parents=True, exist_ok=True)
        os.symlink(Path(path).resolve(), place / f"{position:06}{Path(path).suffix}")
