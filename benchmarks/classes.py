"""What do many classes cost, stage by stage? `python -m benchmarks.classes`

Three JPEGs of 32 pixels a class, of which one is tested on, one validates and one trains: whole command lines, each a
process of its own, with the time that it takes, the peak of its memory, and the sizes of the files that it leaves.
"""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness import small_images
from benchmarks.harness.results import line, publish, three_digits
from benchmarks.harness.timing import Row
from flags import benchmark

_COUNTS, _QUICK_COUNTS = (10, 1_000, 20_000), (10, 100)
_EACH, _BATCH, _STEPS = 3, 64, 200
_PREDICTED = "class_000[0-9][0-9]/*.jpg"  # of the first hundred classes
_LONGEST = 3_600  # seconds of a stage
_NETWORK = {"backbone": "vgg_nano", "weights": "none", "image_size": str(small_images.SIDE), "cache": "memory"}
_FILES = (
    "evaluation/metrics.json", "evaluation/report.txt", "evaluation/predictions.csv", "report.html",
    "export/MODEL_CARD.md", "export/saved_model", "export/model.tflite",
)  # fmt: skip
EXCLUDED = (
    f"vgg_nano at 32 pixels, {_STEPS} steps of {_BATCH} in one epoch. Every stage is a whole command, so the start of "
    "Python and TensorFlow is included. The tested images are as many as the classes, and so are those that validate."
)


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a command took: seconds, the peak of its resident memory in MiB, and the characters it printed."""

    seconds: float
    peak_mib: float
    printed: int


def main(argv: list[str]) -> None:
    """Runs every stage with every number of classes and prints the table."""
    flags = benchmark.parse(argv, "classes", "work")
    counts = benchmark.numbers(flags.classes, _QUICK_COUNTS if flags.quick else _COUNTS)
    costs: dict[int, dict[str, Cost]] = {}
    sizes: dict[int, dict[str, float]] = {}
    with benchmark.one_line_errors(), benchmark.working_folder(flags.work) as work:
        for count in counts:
            images, run = work / f"classes-{count}", work / f"run-{count}"
            small_images.write(images, count=_EACH * count, classes=count)
            costs[count] = {}
            for name, settings in _stages(images, run, work):
                costs[count][name] = measured(settings)
                print(f"{count:,} classes, {name}: {costs[count][name]}", file=sys.stderr)
            sizes[count] = {name: size_of(run / name) / 2**20 for name in _FILES}
    publish(
        [row for count in counts for row in _rows(count, costs[count])],
        question="Stages of a run, by the number of classes",
        excluded=EXCLUDED,
        json_file=flags.json,
        shown=table(costs, sizes),
    )


def _stages(images: Path, run: Path, work: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The settings of each command by the name of the stage."""
    data = {"image_dir": str(images), "data_dir": str(work / "data"), "model_dir": str(run), "batch_size": str(_BATCH)}
    training = {**data, **_NETWORK, "transfer_epochs": "1", "steps_per_epoch": str(_STEPS)}
    yield "check", {**training, "phase": "check"}
    yield "transfer", {**training, "phase": "transfer", "overwrite": "true"}
    using = {"model_dir": str(run), "data_dir": str(work / "data")}
    yield "evaluate", {**using, "phase": "evaluate"}
    yield "export", {**using, "phase": "export", "export_formats": "saved_model,litert"}
    yield "predict", {**using, "phase": "predict", "images": str(images / _PREDICTED)}
    yield "report", {**using, "phase": "report"}
    yield "estimate", {**data, **_NETWORK, "phase": "estimate"}


def measured(settings: Mapping[str, str]) -> Cost:
    """Runs `trainers.main` with these flags.

    Raises:
      RuntimeError: it failed; its last lines are told.
    """
    command = [sys.executable, "-m", "trainers.main", *(f"--{name}={value}" for name, value in settings.items())]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} ended with {process.returncode}: {said[-1_000:]}")
    return Cost(time.perf_counter() - began, used.ru_maxrss / 1024, len(said))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    files = [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]
    return sum(file.stat().st_size for file in files)


def table(costs: Mapping[int, Mapping[str, Cost]], sizes: Mapping[int, Mapping[str, float]]) -> str:
    """A Markdown table: a row for each stage and file, a column for each number of classes."""
    counts = list(costs)
    titles = ["stage", *(f"{count:,} classes" for count in counts)]
    lines = [line(titles), "|" + "---|" * len(titles)]
    for name in costs[counts[0]]:
        of_count = [costs[count][name] for count in counts]
        cells = [f"{three_digits(cost.seconds)} s, {cost.peak_mib:,.0f} MiB" for cost in of_count]
        lines.append(line([name, *cells]))
    for name in sizes[counts[0]]:
        lines.append(line([name, *(f"{three_digits(sizes[count][name])} MiB" for count in counts)]))
    return "\n".join(lines)


def _rows(count: int, costs: Mapping[str, Cost]) -> list[Row]:
    """Rows as all benchmarks write them: images/s of a stage, beside its seconds and the peak of its memory."""
    rows: list[Row] = []
    for name, cost in costs.items():
        rate: dict[str, Any] = dict.fromkeys(("median", "p10", "p90"), _EACH * count / cost.seconds)
        row = {"name": f"{name}, {count:,} classes", "batch_size": _BATCH, "images_per_second": rate, "repeats": 1}
        rows.append({**row, "vs_baseline": 1.0, **dataclasses.asdict(cost)})
    return rows


if __name__ == "__main__":
    main(sys.argv)
