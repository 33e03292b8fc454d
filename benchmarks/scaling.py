"""Do speed and memory stay in proportion to the number of images? `python -m benchmarks.scaling`

1,000, 10,000 and 100,000 images (links to a few hundred files) in each cache tier. Every count has
a process of its own, so that its memory is its own; they take turns.
"""

import collections
import functools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.harness import memory, tiers, timing
from benchmarks.harness.images import gather, repeat
from benchmarks.harness.process import start_all
from benchmarks.harness.results import publish
from benchmarks.harness.timing import Row
from flags import benchmark
from ftdata.config import DataConfig
from ftdata.sources.source import open_source

_SIDE, _BATCH = 96, 64
_COUNTS, _QUICK_COUNTS = (1_000, 10_000, 100_000), (100, 1_000)
EXCLUDED = (
    "Augmentation and the model are not included. images/s are of later epochs, against the smallest number of images; "
    "filling images/s of opening the folder, examining, decoding and caching; resident memory (MiB) is after it, "
    "and anonymous memory is the part that no file backs, less what the process held before it opened the images."
)


def main(argv: list[str]) -> None:
    """Measures every tier and count and prints the table."""
    flags = benchmark.parse(argv, "image_dir", "image_size", "tiers")
    counts = _QUICK_COUNTS if flags.quick else _COUNTS
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, benchmark.one_line_errors():
        folder = Path(name)
        gather(flags.image_dir, folder / "images", count=30 if flags.quick else 300)
        for count in counts:
            repeat(folder / "images", folder / str(count), count=count)
        for tier in tiers.chosen(flags.tiers):
            rows += _tier(tier, folder, counts, side=flags.image_size or _SIDE, quick=flags.quick)
    publish(rows, question="The same for more images", excluded=EXCLUDED, json_file=flags.json)


class Reader:
    """Images of a folder in a cache tier, in a process of its own."""

    def __init__(self, tier: str, folder: Path, side: int):
        tf.zeros(1).numpy()  # starts the runtime, whose memory is not the images'
        self.before = memory.now()
        start = time.perf_counter()
        kept = str(folder.with_name(f"{folder.name}-{tier}"))
        data = DataConfig(image_dir=str(folder), validation_fraction=0.0, image_size=side, data_dir=kept)
        split = open_source(data).train
        weights = np.ones(int(split.labels.max()) + 1, np.float32)
        self.batches = tiers.open_tier(tier, split, data, class_weights=weights, batch_size=_BATCH)
        self.read(-(-len(split) // _BATCH))  # some tiers fill as they are read
        self.filling = len(split) / (time.perf_counter() - start)

    def read(self, steps: int) -> None:
        """Takes so many batches."""
        collections.deque(self.batches(0, steps), maxlen=0)

    def facts(self) -> dict[str, float]:
        """Memory and the speed of the first epoch."""
        after = memory.now()
        return {
            "filling_images_per_second": self.filling,
            "resident_mib": after["rss_mib"],
            "anonymous_mib": after["rss_anon_mib"] - self.before["rss_anon_mib"],
        }


def _tier(tier: str, folder: Path, counts: tuple[int, ...], *, side: int, quick: bool) -> list[Row]:
    sides = {f"{tier}, {count:,} images": (Reader, tier, folder / str(count), side) for count in counts}
    steps = 20 if quick else 50 if tier == "none" else 500
    with start_all(sides) as workers:
        contenders = {
            name: timing.Contender(functools.partial(worker.call, "read", steps), steps * _BATCH)
            for name, worker in workers.items()
        }
        measured = timing.rates(contenders, repeats=2 if quick else 5, warmup=1)
        rows = timing.rows(measured, baseline=next(iter(sides)), batch_size=_BATCH)
        for row, count in zip(rows, counts, strict=True):
            facts = workers[row["name"]].call("facts")
            row |= {**facts, "kib_per_image": facts["anonymous_mib"] * 1024 / count}
    return rows


if __name__ == "__main__":
    main(sys.argv)
