"""How long until the same validation accuracy? A part of `benchmarks.end_to_end`, asked for with `--accuracy`."""

import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import networks, timing
from benchmarks.harness.networks import Task
from benchmarks.harness.process import start_all
from benchmarks.harness.timing import Row
from benchmarks.sides.notebook import Notebook
from benchmarks.sides.ours import Ours
from ftdata.folders import folder
from ftdata.sources import holdout

_LEARNING_RATES = {"transfer": 1e-3, "finetune": 1e-4}
_HELD_OUT = 0.2
EXCLUDED = (
    "Time to accuracy: one run a side, epoch by epoch in turns, with the backbone's own preprocessing; validation is "
    "in the seconds, starting up and (ours) decoding once are not."
)


def measure(flags: Any, into: Path) -> list[Row]:
    """Trains MobileNetV2 (or `--backbone`) on both sides; a row for each.

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
    }
    with start_all(sides) as workers:
        runs = race(workers, epochs=flags.epochs, wanted=flags.accuracy)
    return rows(runs, task, images=len(list((into / "train").rglob("*.*"))), wanted=flags.accuracy)


@dataclasses.dataclass
class Run:
    """Seconds of training and validation, the best accuracy seen, and the epochs it took."""

    seconds: float = 0.0
    accuracy: float = 0.0
    epochs: int = 0


def race(
    workers: Mapping[str, Any], *, epochs: int, wanted: float, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Run]:
    """Transfer, then finetune, `epochs` each at most, in turns, until each has the accuracy."""
    runs = {name: Run() for name in workers}
    for phase in _LEARNING_RATES:
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


def rows(runs: Mapping[str, Run], task: Task, *, images: int, wanted: float) -> list[Row]:
    """A row for each run; `times_sooner` compares the seconds with the first's where both have the accuracy."""
    batch_size, first = task.network.batch_size, next(iter(runs.values()))
    in_epoch = images // batch_size * batch_size
    measured = {name: np.array([run.epochs * in_epoch / run.seconds]) for name, run in runs.items()}
    found = timing.rows(measured, baseline=next(iter(runs)), batch_size=batch_size)
    for row, run in zip(found, runs.values(), strict=True):
        row["name"] = f"{task.network.name}, until validation accuracy {wanted:g}: {row['name']}"
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
