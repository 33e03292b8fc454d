"""What do shards cost or save against files? `python -m benchmarks.records`

Every measurement is a whole pass over the same JPEGs, ours in the order of training, which is that of a permutation:
nothing is read in sequence. They come out of the page cache or, with `--cold`, from the disk. With `--peer_python`
webdataset and Hugging Face's datasets read the same shards.
"""

import contextlib
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness import page_cache, tiers, timing
from benchmarks.harness.images import gather
from benchmarks.harness.results import publish
from benchmarks.sides.loaders import KINDS, Loaders
from flags import benchmark
from ftdata import parallelism
from ftdata.config import DataConfig, PackConfig
from ftdata.decoding import reading
from ftdata.records import listed_records, packing
from ftdata.records.shards import FORMATS
from ftdata.sources.source import open_source
from ftdata.sources.split import Split

_SIDE, _BATCH = 224, 64
BASELINE = "files: read"
EXCLUDED = (
    "{disk} Indexing is from shards in the page cache, with all cores; examining the images, which files take as well, "
    "comes on top."
)
_WARM = "The disk is not included: files and shards are in the page cache."
_COLD = "Before each pass its files leave the page cache; what lies below the file system may still keep them."


def main(argv: list[str]) -> None:
    """Measures files and each format in turn and prints the table."""
    flags = benchmark.parse(argv, "image_dir", "cold", "peer_python")
    count, repeats = (48, 2) if flags.quick else (4096, 5)
    excluded = EXCLUDED.format(disk=_COLD if flags.cold else _WARM)
    # in the working directory: a temporary one may be in memory
    with tempfile.TemporaryDirectory(dir=".") as name, benchmark.one_line_errors(), contextlib.ExitStack() as stack:
        root = Path(name).resolve()
        peers = stack.enter_context(contextlib.closing(Loaders(flags.peer_python))) if flags.peer_python else None
        gather(flags.image_dir, root / "images", count=count)
        contenders = _contenders(root, peers, cold=flags.cold)
        images = contenders[BASELINE].images
        measured = timing.rates(contenders, repeats=repeats, warmup=1)
        seconds = {kind: _index(root / kind, root) for kind in FORMATS}
        excluded += f" {peers.excluded}" if peers else ""
    publish(
        timing.rows(measured, baseline=BASELINE, batch_size=_BATCH),
        question=f"From files and from shards, a pass over {images:,} images",
        excluded=excluded,
        json_file=flags.json,
    )
    rates = ", ".join(f"{kind} {images / spent:,.0f} images/s" for kind, spent in seconds.items())
    print(f"\nindexing, median of 5: {rates}")


def _contenders(root: Path, peers: Loaders | None, *, cold: bool) -> dict[str, timing.Contender]:
    """A pass over the files below `root / "images"`, and over shards of them in each format."""
    folders = {"files": root / "images"} | {kind: root / kind for kind in FORMATS}
    found = dict[str, timing.Contender]()
    for kind, place in folders.items():
        if kind in FORMATS:
            packing.pack(PackConfig(image_dir=str(folders["files"]), output=str(place), format=kind, shards=4))
        where: dict[str, Any] = {"records" if kind in FORMATS else "image_dir": str(place)}
        data = DataConfig(**where, validation_fraction=0.0, image_size=_SIDE, data_dir=str(root))
        split, batches = open_source(data).train, f"{kind}: batches of {_BATCH} at {_SIDE}x{_SIDE}"
        after = _after(map(str, place.rglob("*")), cold=cold)
        found[f"{kind}: read"] = timing.Contender(_read(split), len(split), after)
        found[f"{batches}, tier none"] = timing.Contender(_batches(split, data), len(split), after)
        if peers and kind in KINDS:
            theirs, files = peers.open(kind, place, side=_SIDE, batch_size=_BATCH, images=len(split))
            found[f"{batches}, {KINDS[kind]}"] = dataclasses.replace(theirs, clean_up=_after(files, cold=cold))
    return found


def _after(paths: Iterable[str], *, cold: bool) -> Callable[[], None]:
    """What follows a pass over files."""
    files = [path for path in paths if cold and os.path.isfile(path)]
    return lambda: page_cache.evict(files)


def _read(split: Split) -> Callable[[], object]:
    """A pass that reads the encoded images and forgets them, on all cores, in batches as training does."""
    order = tf.constant(np.array(split.paths)[np.random.default_rng(0).permutation(len(split))], tf.string)
    batches = tf.data.Dataset.from_tensor_slices(order).batch(_BATCH).with_options(parallelism.fixed())

    def size(paths: tf.Tensor) -> tf.Tensor:
        files, read = reading.together(paths, split.read)
        return tf.reduce_sum(tf.map_fn(lambda file: tf.strings.length(read(file)), files, fn_output_signature=tf.int32))

    sizes = batches.map(size, num_parallel_calls=parallelism.CORES)
    return lambda: sizes.reduce(0, lambda total, part: total + part).numpy()


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
