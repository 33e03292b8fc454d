"""How does what comes before training grow with the number of images? `python -m benchmarks.sizes`

10,000, 100,000 and 1,000,000 JPEGs of 32 pixels, no two of the same contents, in a hundred class folders. What is timed
in one process after the other: the stages of a first start and of a later one; what opening the images leaves in
memory; and a whole run up to its first step, where the images were examined before.
"""

import functools
import gc
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import first_step, growth, memory, small_images
from benchmarks.harness.process import start_all
from benchmarks.harness.results import publish
from benchmarks.harness.timing import Row
from flags import benchmark
from ftdata import pipeline
from ftdata.cache import tiers
from ftdata.config import DataConfig, PackConfig
from ftdata.folders import folder
from ftdata.inspection import examine
from ftdata.log import log
from ftdata.records import listed_records, packing
from ftdata.sources import holdout
from ftdata.sources.source import Source, open_source
from trainers.config import ModelConfig
from trainers.doctor import duplicates
from trainers.rundir import fingerprint, image_table, seen
from trainers.rundir.run_dir import RunDir

_COUNTS, _QUICK_COUNTS = (10_000, 100_000, 1_000_000), (300, 1_000)
_CLASSES, _BATCH = 100, 32
_SHORT, _AGAIN = 1.0, 4  # seconds of a stage that is measured four times more, for a median
_LONGEST = 1_800  # seconds of a run up to its first step
_FEW = "few"  # images on which everything is loaded and traced, whose cost is not the images'
_SECOND_RUN = "a second run, up to its first step"
_PROCESSOR = "processor time of that run"
_KEPT = {"opened": "in memory once opened", "first_batch": "in memory at the first batch"}
EXCLUDED = (
    "Seconds, of short stages the median of five; files are in the page cache as far as memory has room. The exponent "
    "is that of the growth from one size to the next: 1 is in proportion. Training reads files at each step (cache "
    "tier none), so that no decoded pixels are in memory: what is there beyond the process before it opened the images "
    "is in KiB an image, of memory that no file backs."
)


def main(argv: list[str]) -> None:
    """Measures every size and prints the table."""
    flags = benchmark.parse(argv, "images", "work")
    counts = benchmark.numbers(flags.images, _QUICK_COUNTS if flags.quick else _COUNTS)
    found: dict[int, dict[str, float]] = {}
    with benchmark.one_line_errors(), benchmark.working_folder(flags.work) as work:
        for count in counts:
            images, kept = work / f"images-{count}", work / f"kept-{count}"
            small_images.write(images, count=count, classes=_CLASSES)
            small_images.write(work / _FEW, count=64, classes=2)
            shutil.rmtree(kept, ignore_errors=True)
            found[count] = {}
            for part in PARTS:
                found[count] |= measured(part, images, kept)
            shutil.rmtree(kept, ignore_errors=True)
            print(f"{count:,}: { ({name: round(value, 3) for name, value in found[count].items()}) }", file=sys.stderr)
    publish(
        [row for count in counts for row in _rows(count, found[count])],
        question="Stages before training, by the number of images",
        excluded=EXCLUDED,
        json_file=flags.json,
        shown=growth.table(found, of="images", each="KiB an image", not_seconds=_KEPT.values()),
    )


class Stages:
    """The stages of a start on a folder of images, in a process of its own; what they keep is in `kept`."""

    def __init__(self, images: Path, kept: Path):
        log.setLevel("WARNING")
        self._images, self._kept = str(images), kept
        self._data = _data(images, kept)
        _warm_up(images, kept)

    def found(self) -> dict[str, float]:
        """Seconds by stage."""
        return {name: _median(stage) for name, stage in self._stages()}

    def _stages(self) -> Iterator[tuple[str, Callable[[], object]]]:
        yield "listing", lambda: folder.scan(self._images)
        paths = [path for files in folder.scan(self._images).splits.values() for path in files.paths]
        again = functools.partial(examine.inspect_files, paths, origin=self._images)
        examined = self._data.folder / "examined"
        yield "examining", lambda: again(keep_in=_emptied(examined))
        yield "examining again", lambda: again(keep_in=examined)
        del paths
        yield "opening all again", lambda: open_source(self._data)
        source = open_source(self._data)
        yield "splitting", lambda: _split(source, self._data.validation_fraction)
        count = len(source.train)
        yield "planning", lambda: tiers.plan(self._data, train=count, held_out=count, on_gpu=False)
        yield "recording", lambda: _record(source, self._kept / "run")
        yield "first batch", lambda: _first_batch(source, self._data)
        count = sum(map(len, source.splits.values()))
        hashes = _hashes(count)
        yield "looking for look-alikes", lambda: duplicates.nearest(hashes[: count // 5], hashes[count // 5 :])


class Shards:
    """The stages of images in eight TFRecord files, in a process of its own."""

    def __init__(self, images: Path, kept: Path):
        log.setLevel("WARNING")
        self._images, self._kept = str(images), kept
        _warm_up(images, kept)

    def found(self) -> dict[str, float]:
        """Seconds by stage."""
        shards, index_in = self._kept / "shards", self._kept / "index"
        pack = PackConfig(image_dir=self._images, output=str(shards), format="tfrecord", shards=8)
        index = functools.partial(listed_records.open_records, str(shards))
        stages = {
            "packing into shards": lambda: (_emptied(shards), packing.pack(pack)),
            "indexing shards": lambda: index(keep_in=_emptied(index_in)),
            "opening the index": lambda: index(keep_in=index_in),
        }
        return {name: _median(stage) for name, stage in stages.items()}


class Opened:
    """A data set that is opened in a process of its own, so that its memory is its own."""

    def __init__(self, images: Path, kept: Path):
        log.setLevel("WARNING")
        self._data = _data(images, kept)
        _warm_up(images, kept)

    def found(self) -> dict[str, float]:
        """What the images take once they are opened, and while the first batch is there."""
        before = memory.now()["rss_anon_mib"]
        source = open_source(self._data)
        gc.collect()
        opened = memory.now()["rss_anon_mib"]
        _first_batch(source, self._data)
        gc.collect()
        count = sum(map(len, source.splits.values()))
        taken = {"opened": opened, "first_batch": memory.now()["rss_anon_mib"]}
        return {_KEPT[name]: (mib - before) * 1024 / count for name, mib in taken.items()}


class Started:
    """A whole run up to its first step, of images that were examined before."""

    def __init__(self, images: Path, kept: Path):
        self._settings = {
            **{"image_dir": str(images), "data_dir": str(kept / "data"), "model_dir": str(kept / "second")},
            **{"phase": "transfer", "backbone": "vgg_nano", "weights": "none", "image_size": str(small_images.SIDE)},
            **{"cache": "none", "batch_size": str(_BATCH)},
        }

    def found(self) -> dict[str, float]:
        """Its seconds, and those that its threads have computed for on any core."""
        found = first_step.measure(self._settings, timeout=_LONGEST)
        return {_SECOND_RUN: found["seconds"], _PROCESSOR: found["cpu_seconds"]}


PARTS = (Stages, Shards, Opened, Started)


def measured(part: Callable[[Path, Path], Any], images: Path, kept: Path) -> dict[str, float]:
    """What one of PARTS finds, by its name in the table; seconds, but for what is in memory."""
    with start_all({"part": (part, images, kept)}) as workers:
        return dict(workers["part"].call("found"))


def _data(images: Path, kept: Path) -> DataConfig:
    return DataConfig(image_dir=str(images), data_dir=str(kept / "data"), image_size=small_images.SIDE, cache="none")


def _warm_up(images: Path, kept: Path) -> None:
    data = _data(images.with_name(_FEW), kept)
    _first_batch(open_source(data), data)


def _emptied(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    return path


def _split(source: Source, fraction: float) -> None:
    """What `open_source` does for one of the held-out splits."""
    part = source.train
    places = holdout.places(part.names, part.digests, seed=0, part="test")
    chosen = holdout.held_out(part.labels, places, fraction=fraction)
    part.subset(chosen), part.subset(~chosen)


def _record(source: Source, path: Path) -> None:
    """What a run writes of its images before it trains."""
    path.mkdir(parents=True, exist_ok=True)
    fingerprint.data_fingerprint(source)
    (path / "images.tsv").write_bytes(image_table.table(source))
    seen.keep(RunDir(path), source, ModelConfig())


def _hashes(count: int) -> np.ndarray:
    """Of images by chance, of which each has nine that look alike: uint64 [count, 5]."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, 2**64 - 1, (-(-count // 10), duplicates.WORDS), np.uint64)
    hashes = np.repeat(drawn, 10, axis=0)[generator.permutation(count)]
    return hashes ^ (np.uint64(1) << generator.integers(0, 64, hashes.shape).astype(np.uint64))


def _first_batch(source: Source, data: DataConfig) -> None:
    images = tiers.open_split(source.train, data, tier="none")
    weights = np.ones(len(source.class_names), np.float32)
    batches = pipeline.for_training(
        images, source.train.labels, class_weights=weights, global_batch=_BATCH, seed=0, steps=(0, 1000)
    )
    next(iter(batches))["image"].numpy()


def _median(stage: Callable[[], object]) -> float:
    spent: list[float] = []
    while not spent or (spent[0] < _SHORT and len(spent) <= _AGAIN):
        gc.collect()
        start = time.perf_counter()
        stage()
        spent.append(time.perf_counter() - start)
    return float(np.median(spent))


def _rows(count: int, found: Mapping[str, float]) -> list[Row]:
    """Rows as all benchmarks write them: images/s of a stage, beside its seconds."""
    kept = {name: found[label] for name, label in _KEPT.items()}
    rows: list[Row] = []
    for name, seconds in found.items():
        if name not in _KEPT.values():
            rate: dict[str, Any] = dict.fromkeys(("median", "p10", "p90"), count / seconds)
            row = {"name": f"{name}, {count:,} images", "batch_size": _BATCH, "images_per_second": rate}
            rows.append({**row, "repeats": 1, "vs_baseline": 1.0, "seconds": seconds})
    return [*rows[:-1], {**rows[-1], **{f"kib_per_image_{name}": value for name, value in kept.items()}}]


if __name__ == "__main__":
    main(sys.argv)
