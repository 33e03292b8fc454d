"""What do shards cost or save against files? `python -m benchmarks.records`

Every measurement is a whole pass over the same JPEGs out of the page cache, in the order of training, which is that of
a permutation: nothing is read in sequence.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness import tiers, timing
from benchmarks.harness.images import gather
from benchmarks.harness.results import publish
from flags import benchmark
from ftdata import parallelism
from ftdata.config import DataConfig, PackConfig
from ftdata.records import listed_records, packing
from ftdata.records.shards import FORMATS
from ftdata.sources.source import open_source
from ftdata.sources.split import Split

_SIDE, _BATCH = 224, 64
BASELINE = "files: read"
EXCLUDED = (
    "The disk is not included: files and shards are in the page cache. Indexing is from shards in the page cache too, "
    "with all cores, and examining the images, which files take as well, comes on top."
)


def main(argv: list[str]) -> None:
    """Measures files and each format in turn and prints the table."""
    flags = benchmark.parse(argv, "image_dir")
    count, repeats = (48, 2) if flags.quick else (1024, 5)
    with tempfile.TemporaryDirectory() as name, benchmark.one_line_errors():
        root = Path(name)
        gather(flags.image_dir, root / "images", count=count)
        named: dict[str, dict[str, Any]] = {"files": {"image_dir": str(root / "images")}}
        for kind in FORMATS:
            packing.pack(PackConfig(image_dir=str(root / "images"), output=str(root / kind), format=kind, shards=4))
            named[kind] = {"records": str(root / kind)}
        contenders = dict[str, timing.Contender]()
        for kind, where in named.items():
            data = DataConfig(**where, validation_fraction=0.0, image_size=_SIDE, data_dir=name)
            split = open_source(data).train
            contenders[f"{kind}: read"] = timing.Contender(_read(split), images=len(split))
            contenders[f"{kind}: batches of {_BATCH} at {_SIDE}x{_SIDE}, tier none"] = timing.Contender(
                _batches(split, data), images=len(split)
            )
        measured = timing.rates(contenders, repeats=repeats, warmup=1)
        seconds = {kind: _index(root / kind, root) for kind in FORMATS}
    publish(
        timing.rows(measured, baseline=BASELINE, batch_size=_BATCH),
        question=f"From files and from shards, a pass over {count} images in the order of training",
        excluded=EXCLUDED,
        json_file=flags.json,
    )
    rates = ", ".join(f"{kind} {count / spent:,.0f} images/s" for kind, spent in seconds.items())
    print(f"\nindexing, median of 5: {rates}")


def _read(split: Split) -> Callable[[], object]:
    """A pass that reads the encoded images and forgets them, on all cores."""
    order = tf.constant(np.array(split.paths)[np.random.default_rng(0).permutation(len(split))], tf.string)
    files = tf.data.Dataset.from_tensor_slices(order).with_options(parallelism.fixed())
    lengths = files.map(lambda path: tf.strings.length(split.read(path)), num_parallel_calls=parallelism.CORES)
    return lambda: lengths.reduce(0, lambda total, length: total + length).numpy()


def _batches(split: Split, data: DataConfig) -> Callable[[], object]:
    weights = np.ones(int(split.labels.max()) + 1, np.float32)
    batches = tiers.open_tier("none", split, data, class_weights=weights, batch_size=_BATCH)
    dataset = batches(0, -(-len(split) // _BATCH))
    return lambda: dataset.reduce(0, lambda total, batch: total + tf.shape(batch["image"])[0]).numpy()


def _index(shards: Path, root: Path) -> float:
    """Seconds that indexing takes, the median of five."""
    spent = []
    for number in range(5):
        start = time.perf_counter()
        listed_records.open_records(str(shards), keep_in=root / f"index-{number}-{os.getpid()}")
        spent.append(time.perf_counter() - start)
    return float(np.median(spent))


if __name__ == "__main__":
    main(sys.argv)
