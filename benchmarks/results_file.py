"""What every benchmark prints and writes."""

import datetime
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def publish(rows: Sequence[dict[str, Any]], *, left_out: str, json_file: str | None) -> None:
    """Prints the rows as a Markdown table and writes them as JSON where asked to.

    Args:
      rows: of `timing.rows`.
      left_out: a sentence on what the numbers do not include.
      json_file: path, or None.
    """
    print(f"{hardware()}; {software()}\n")
    print("| way | images/s (median) | p10 - p90 | against the first |\n|---|---|---|---|")
    for row in rows:
        rate = row["images_per_second"]
        median, low, high = (_three_digits(rate[name]) for name in ("median", "p10", "p90"))
        print(f"| {row['name']} | {median} | {low} - {high} | {row['vs_baseline']:.2f} |")
    print(f"\nBatches of {rows[0]['batch_size']}, {rows[0]['repeats']} interleaved rounds. {left_out}")
    if json_file:
        result = {"hardware": hardware(), "software": software(), "date": datetime.date.today().isoformat()}
        Path(json_file).write_text(json.dumps({**result, "rows": list(rows)}, indent=2) + "\n")


def _three_digits(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


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
        names = [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{len(os.sched_getaffinity(0))} cores of {model}; {', '.join(gpus) or 'no GPU'}"


def software() -> str:
    """Versions."""
    import keras
    import tensorflow as tf

    return f"Python {platform.python_version()}, TensorFlow {tf.__version__}, Keras {keras.__version__}"
