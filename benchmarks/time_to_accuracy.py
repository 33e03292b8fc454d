"""How long until the same validation accuracy? A part of `benchmarks.end_to_end`, asked for with `--accuracy`."""

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import networks, timing
from benchmarks.baselines.notebook import Notebook
from benchmarks.ours import Ours
from benchmarks.task import Task
from benchmarks.worker import Worker
from ftdata import folder, split

_LEARNING_RATES = {"transfer": 1e-3, "finetune": 1e-4}
_HELD_OUT = 0.2
LEFT_OUT = (
    "Time to accuracy: one run a side, one after the other, with the backbone's own preprocessing; validation is in "
    "the seconds, starting up and (ours) decoding once are not."
)


def measure(flags: Any, into: Path) -> list[dict[str, Any]]:
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
    runs = {}
    for name, kind, arguments in (
        ("notebook, fit without XLA", Notebook, (task, False)),
        ("ours, float32", Ours, (task, "float32", "memory")),
        ("ours, mixed_bfloat16", Ours, (task, "mixed_bfloat16", "memory")),
    ):
        worker = Worker(kind, *arguments)
        runs[name] = _train(worker, epochs=flags.epochs, wanted=flags.accuracy)
        worker.close()
    return _rows(runs, task, wanted=flags.accuracy)


@dataclasses.dataclass(frozen=True)
class Run:
    """Seconds of training and validation, the best accuracy seen, and the epochs it took."""

    seconds: float
    accuracy: float
    epochs: int


def _train(worker: Worker, *, epochs: int, wanted: float) -> Run:
    """Transfer, then finetune, `epochs` each at most, until the accuracy is reached."""
    seconds, best, count = 0.0, 0.0, 0
    for phase in _LEARNING_RATES:
        worker.call("prepare", phase)
        for _ in range(epochs):
            start = time.perf_counter()
            best = max(best, worker.call("epoch"))
            seconds, count = seconds + time.perf_counter() - start, count + 1
            if best >= wanted:
                return Run(seconds, best, count)
    return Run(seconds, best, count)


def _rows(runs: dict[str, Run], task: Task, *, wanted: float) -> list[dict[str, Any]]:
    batch_size = task.network.batch_size
    images = len(list((task.folder / "train").rglob("*.*"))) // batch_size * batch_size
    measured = {name: np.array([run.epochs * images / run.seconds]) for name, run in runs.items()}
    rows = timing.rows(measured, baseline=next(iter(runs)), batch_size=batch_size)
    for row, run in zip(rows, runs.values(), strict=True):
        row["name"] = f"{task.network.name}, until validation accuracy {wanted:g}: {row['name']}"
        row |= {"seconds": run.seconds, "accuracy": run.accuracy, "epochs": run.epochs}
    return rows


def _hold_out(image_dir: str, into: Path, *, group_pattern: str | None) -> None:
    """Links the training pictures into train/ and validation/ below `into`."""
    listing = folder.scan(image_dir)
    files = listing.splits["train"]
    groups = split.group_ids(files.names, group_pattern) if group_pattern else None
    held_out = split.held_out(files.labels, fraction=_HELD_OUT, seed=0, groups=groups)
    for position, path in enumerate(files.paths):
        part = "validation" if held_out[position] else "train"
        place = into / part / listing.class_names[files.labels[position]]
        place.mkdir(parents=True, exist_ok=True)
        os.symlink(Path(path).resolve(), place / f"{position:06}{Path(path).suffix}")
