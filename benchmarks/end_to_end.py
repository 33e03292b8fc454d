"""Training as the notebook does it against training as this project does: `python -m benchmarks.end_to_end`

The same model, images, batch size and number of steps. Each side lives in a process of its own, so that its memory
is its own, and they take turns: A B C A B C. The faster of the notebook's two (fit's default, which compiles with XLA,
and `jit_compile=False`) is the baseline of each phase.
"""

import functools
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import time_to_accuracy
from benchmarks.harness import timing
from benchmarks.harness.images import gather
from benchmarks.harness.networks import NETWORK_FLAGS, Network, Task, chosen
from benchmarks.harness.process import Worker, start_all
from benchmarks.harness.results import publish
from benchmarks.harness.timing import Row
from benchmarks.sides.notebook import Notebook
from benchmarks.sides.ours import Ours
from flags import benchmark

PHASES = ("transfer", "finetune")
_LEARNING_RATES = {"transfer": 1e-5, "finetune": 1e-7}  # the notebook's
EXCLUDED = (
    "Validation, checkpoints, TensorBoard and starting up (imports, building, compiling, decoding once) are on "
    "neither side included. peak rss is the process's, the libraries in it included, after the phase."
)


def main(argv: list[str]) -> None:
    """Measures both phases of every network, side by side, and prints the table."""
    flags = benchmark.parse(argv, "image_dir", *NETWORK_FLAGS, "accuracy", "epochs", "group_pattern")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, benchmark.one_line_errors():
        folder = Path(name) / "speed"
        networks = chosen(flags)
        # first, because it asks more of the folder
        raced = time_to_accuracy.measure(flags, Path(name) / "accuracy") if flags.accuracy else []
        most = max(network.batch_size for network in networks)
        gather(flags.image_dir, folder / "train", count=most * (3 if flags.quick else 16))
        for network in networks:
            rows += _speed(Task(network, folder, _LEARNING_RATES), quick=flags.quick)
    excluded = f"{EXCLUDED} {time_to_accuracy.EXCLUDED}" if raced else EXCLUDED
    publish(rows + raced, question="Both phases, end to end", excluded=excluded, json_file=flags.json)


def sides(task: Task) -> dict[str, tuple[Any, ...]]:
    """What is compared, by name: a class and its arguments."""
    return {
        "notebook, fit": (Notebook, task, "auto"),
        "notebook, fit without XLA": (Notebook, task, False),
        "ours, float32": (Ours, task, "float32", "memory"),
        "ours, mixed_bfloat16": (Ours, task, "mixed_bfloat16", "memory"),
    }


def _speed(task: Task, *, quick: bool) -> list[Row]:
    rows, chosen_sides = [], sides(task)
    if quick:
        for name in ("notebook, fit", "ours, mixed_bfloat16"):
            del chosen_sides[name]
    with start_all(chosen_sides) as workers:
        for phase in PHASES:
            for prepared in [worker.begin("prepare", phase) for worker in workers.values()]:
                prepared.result()
            steps = 3 if quick else _steps(workers["notebook, fit without XLA"])
            contenders = {
                name: timing.Contender(functools.partial(worker.call, "train", steps), steps * task.network.batch_size)
                for name, worker in workers.items()
            }
            measured = timing.rates(contenders, repeats=2 if quick else 5, warmup=1, least_seconds=0.0)
            peaks = {name: worker.call("memory") for name, worker in workers.items()}
            rows += _rows(task.network, phase, measured, peaks)
    return rows


def _steps(worker: Worker) -> int:
    """How many steps take about five seconds; 100 are an epoch of the notebook."""
    start = time.perf_counter()
    worker.call("train", 2)
    return int(np.clip(5.0 / ((time.perf_counter() - start) / 2), 4, 100))


def _rows(
    network: Network, phase: str, measured: dict[str, np.ndarray], peaks: dict[str, dict[str, float]]
) -> list[Row]:
    rows = timing.rows(measured, baseline=fastest(measured, "notebook"), batch_size=network.batch_size)
    for row in rows:
        memory = peaks[row["name"]]
        row |= {key: value for key, value in memory.items() if key.startswith("peak")}
        row["name"] = f"{network.name}, {phase}: {row['name']}"
    return rows


def fastest(measured: dict[str, np.ndarray], prefix: str) -> str:
    """Of the ways whose name starts with `prefix`, the one with the highest median."""
    return max((name for name in measured if name.startswith(prefix)), key=lambda name: np.median(measured[name]))


if __name__ == "__main__":
    main(sys.argv)
