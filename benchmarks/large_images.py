"""What do images of 50 megapixels cost while they are decoded? `python -m benchmarks.large_images`

JPEGs of 8,660 x 5,773 pixels: batches out of the tier that decodes at each step, and the filling of a cache in memory,
whole and scaled as they are decoded. Every way has a process of its own, whose peak of memory is its own.
"""

import collections
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks.harness import memory, tiers
from benchmarks.harness.process import start_all
from benchmarks.harness.results import publish
from benchmarks.harness.timing import Row
from flags import benchmark
from ftdata.cache import filling, in_flight
from ftdata.config import DataConfig
from ftdata.decoding.decode import Decoding
from ftdata.sources.source import open_source

_SIZE, _QUICK_SIZE = (8_660, 5_773), (1_200, 800)
_COUNT, _BATCH, _SIDE = 10, 10, 224
EXCLUDED = (
    "The peak of resident memory in MiB is that of decoding: less what the process held when the images were opened "
    "and examined. at once: how many images the program decodes at a time on this machine, by what is free."
)


def main(argv: list[str]) -> None:
    """Measures every way and prints the table."""
    flags = benchmark.parse(argv, "work")
    rows: list[Row] = []
    with benchmark.one_line_errors(), benchmark.working_folder(flags.work) as work:
        images = work / "large"
        write(images, size=_QUICK_SIZE if flags.quick else _SIZE)
        for decode in ("full", "scaled"):
            for tier in ("none", "memory"):
                with start_all({"way": (Way, images, work / "data", tier, decode)}) as workers:
                    found = workers["way"].call("measure")
                rate = 1 / found.pop("seconds")
                first = rows[0]["images_per_second"]["median"] if rows else rate
                row: Row = {"name": f"tier {tier}, --jpeg_decode={decode}", "batch_size": _BATCH, "repeats": 1}
                row |= {"images_per_second": dict.fromkeys(("median", "p10", "p90"), rate)}
                rows.append({**row, "vs_baseline": rate / first, **found})
    publish(rows, question="Images of 50 megapixels", excluded=EXCLUDED, json_file=flags.json)


def write(into: Path, *, size: tuple[int, int]) -> None:
    """Ten photo-like JPEGs of that width and height in two class folders, unless they are there."""
    generator = np.random.default_rng(0)
    for number in range(_COUNT):
        path = into / "ab"[number % 2] / f"{number}.jpg"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(generator.integers(0, 255, (80, 120, 3), np.uint8))
            coarse.resize(size, Image.Resampling.BILINEAR).save(path, quality=85)


class Way:
    """Ten large images, opened and examined, before any is decoded to be trained on."""

    def __init__(self, images: Path, kept: Path, tier: str, decode: str):
        self._data = DataConfig(
            image_dir=str(images), data_dir=str(kept), image_size=_SIDE, validation_fraction=0.0, jpeg_decode=decode
        )
        self._tier, self._split = tier, open_source(self._data).train
        tf.zeros(1).numpy()

    def measure(self) -> dict[str, float]:
        """Seconds an image, the peak beyond what was there before, and how many are decoded at a time."""
        at_once = in_flight.most(self._split, Decoding.of(self._data))
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        before, start = memory.now()["rss_mib"], time.perf_counter()
        count = self._read()
        seconds = (time.perf_counter() - start) / count
        return {"seconds": seconds, "peak_mib": memory.now()["peak_rss_mib"] - before, "at_once": float(at_once or 0)}

    def _read(self) -> int:
        """Decodes all images once or, at each step, twice; how many that were."""
        if self._tier == "memory":
            filling.in_memory(self._split, self._data)
            return _COUNT
        weights = np.ones(2, np.float32)
        batches = tiers.open_tier("none", self._split, self._data, class_weights=weights, batch_size=_BATCH)
        collections.deque(batches(0, 2), maxlen=0)
        return 2 * _BATCH


if __name__ == "__main__":
    main(sys.argv)
