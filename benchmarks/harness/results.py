"""What every benchmark prints and writes."""

import datetime
import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.timing import Row

_CONTRACT = ("name", "batch_size", "images_per_second", "repeats", "vs_baseline")


def publish(
    rows: Sequence[Row], *, question: str, excluded: str, json_file: str | None, shown: str | None = None
) -> None:
    """Prints the rows as a Markdown table and writes them as JSON where asked to.

    Args:
      rows: of `timing.rows`; a further key makes a further column.
      question: what is measured, in a line.
      excluded: a sentence on what the numbers do not include.
      json_file: path, or None.
      shown: what is printed in place of the table of the rows.
    """
    print(f"{question}\n{hardware()}; {software()}\n\n{shown or table(rows)}\n\n{excluded}")
    if json_file:
        result = {"hardware": hardware(), "software": software(), "date": datetime.date.today().isoformat()}
        result |= {"command": command(sys.argv), "question": question, "left_out": excluded}
        Path(json_file).write_text(json.dumps({**result, "rows": list(rows)}, indent=2) + "\n", encoding="utf-8")


def command(argv: Sequence[str]) -> str:
    """The command line, without the paths of this machine."""
    kept = [argument for argument in argv[1:] if not argument.startswith("--json")]
    flags = [
        re.sub(r"^(--\w+_dir|--weights|--saved_model|--peer_python)=.*[/~].*", r"\1=...", argument) for argument in kept
    ]
    return " ".join(["python -m", f"benchmarks.{Path(argv[0]).stem}", *flags])


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table: the contract's columns, then any others that a row has."""
    further = list(dict.fromkeys(key for row in rows for key in row if key not in _CONTRACT))
    titles = ["way", "batch", "images/s (median)", "p10 - p90", "rounds", "against baseline"]
    titles += [key.replace("_", " ") for key in further]
    lines = [line(titles), "|" + "---|" * len(titles)]
    for row in rows:
        median, low, high = (three_digits(row["images_per_second"][name]) for name in ("median", "p10", "p90"))
        cells = [row["name"], str(row["batch_size"]), median, f"{low} - {high}", str(row["repeats"])]
        cells.append(f"{row['vs_baseline']:.2f}")
        lines.append(line(cells + [_cell(row.get(key)) for key in further]))
    return "\n".join(lines)


def line(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def _cell(value: Any) -> str:
    return "" if value is None else three_digits(value) if isinstance(value, int | float) else str(value)


def three_digits(number: float) -> str:
    """`1,234`, `12.3`, `0.123`."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def hardware() -> str:
    """Processor, cores and GPUs."""
    import tensorflow as tf

    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
        model = names[0] if names else model
    return f"{len(os.sched_getaffinity(0))} cores of {model}; {', '.join(gpus) or 'no GPU'}"


def software() -> str:
    """Versions."""
    import keras
    import tensorflow as tf

    return f"Python {platform.python_version()}, TensorFlow {tf.__version__}, Keras {keras.__version__}"
