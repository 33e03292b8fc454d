"""Rates that can be trusted on a noisy machine: interleaved, warmed up, medians and spread.

Every contender is measured in turn within one run, round by round, so that a slow minute of the machine
slows all of them; ratios are taken round by round. Standard library and numpy only.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Row = dict[str, Any]  # of a table: the keys of `rows`, and further columns


@dataclasses.dataclass(frozen=True)
class Contender:
    """`call()` processes `images` images and returns when they are done; `clean_up()` follows and is not timed."""

    call: Callable[[], object]
    images: int
    clean_up: Callable[[], object] = lambda: None


def rates(
    contenders: Mapping[str, Contender],
    *,
    repeats: int,
    warmup: int = 2,
    least_seconds: float = 0.2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """Images per second of each contender in each round.

    Args:
      contenders: what to measure, by name.
      repeats: rounds; each measures every contender once.
      warmup: calls of each that are not counted, first.
      least_seconds: a measurement repeats the call until this long has passed.
      clock: seconds.

    Returns:
      float64 [repeats] by name.
    """
    for contender in contenders.values():
        for _ in range(warmup):
            contender.call()
            contender.clean_up()
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            seconds, images = 0.0, 0
            while seconds < least_seconds or images == 0:
                start = clock()
                contender.call()
                seconds += clock() - start
                images += contender.images
                contender.clean_up()
            measured[name].append(images / seconds)
    return {name: np.array(values) for name, values in measured.items()}


def rows(measured: Mapping[str, np.ndarray], *, baseline: str, batch_size: int) -> list[Row]:
    """A row for each contender; `vs_baseline` is the median of the ratios of the rounds."""
    return [
        {
            "name": name,
            "batch_size": batch_size,
            "images_per_second": {
                "median": float(np.median(values)),
                "p10": float(np.percentile(values, 10)),
                "p90": float(np.percentile(values, 90)),
            },
            "repeats": len(values),
            "vs_baseline": float(np.median(values / measured[baseline])),
        }
        for name, values in measured.items()
    ]
