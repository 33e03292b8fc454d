"""How fast do images get from files to a batch? `python -m benchmarks.input_pipeline`

Every measurement is a whole pass over the same JPEGs with a fresh iterator, so that nothing is prefetched while
another way is measured.
"""

import dataclasses
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness import tiers, timing
from benchmarks.harness.images import gather, repeat
from benchmarks.harness.results import publish
from benchmarks.sides import decode_jpeg, image_data_generator, stock_layers
from flags import benchmark
from ftdata.augment.augmentation import Augmentation
from ftdata.cache import disk
from ftdata.config import DataConfig
from ftdata.sources.source import Split, load_folder
from trainers.runtime import devices

_SIDE, _BATCH = 224, 64
BASELINE = "ImageDataGenerator.flow_from_directory"
EXCLUDED = (
    "The model is not included, nor is reading the disk: the files are in the page cache after the first pass. A "
    "first epoch includes building the graph that decodes, a tenth of a second or two. What a first epoch writes to "
    "the disk is forced there while the next steps run, which is not included. The "
    "augmentation of ours runs on the device, as in training; the number of threads limits reading and decoding."
)


def main(argv: list[str]) -> None:
    """Measures every way in turn and prints the table."""
    flags = benchmark.parse(argv, "image_dir", "tiers")
    devices.grow_gpu_memory()
    count, repeats = (48, 2) if flags.quick else (1024, 5)
    with tempfile.TemporaryDirectory() as name, benchmark.one_line_errors():
        folder, many = Path(name) / "images", Path(name) / "many"
        gather(flags.image_dir, folder, count=count)
        repeat(folder, many, count=2 * count if flags.quick else 8192)
        names = tiers.chosen(flags.tiers)
        bench = _Bench(folder, many, quick=flags.quick)
        measured = timing.rates(_contenders(bench, names), repeats=repeats, warmup=1)
    rows = timing.rows(measured, baseline=BASELINE, batch_size=bench.batch)
    for row in rows:
        row["batch_size"] = bench.batches.get(row["name"], bench.batch)
    publish(
        rows,
        question=f"From JPEG files to batches of {_SIDE}x{_SIDE}; a pass over {len(bench.split)} images",
        excluded=EXCLUDED,
        json_file=flags.json,
    )


class _Bench:
    """The images, the batch size, and the batch sizes of the rows that differ from it."""

    def __init__(self, folder: Path, many: Path, *, quick: bool):
        self.folder = folder
        self.split, self.many = (
            load_folder(str(root), validation_fraction=0.0, data_dir=str(folder.parent)).train
            for root in (folder, many)
        )
        self.batch = min(16 if quick else _BATCH, len(self.split))
        self.swept = [(128, 16)] if quick else [(side, batch) for side in (128, _SIDE) for batch in (16, 64, 256)]
        self.warm_images = 512 if quick else 8192  # a pass out of memory is too short to be timed
        self.batches: dict[str, int] = {}

    def read(
        self, tier: str, split: Split, *, side: int, batch: int, images: int, folder: str | None = None
    ) -> tuple[tf.data.Dataset, int]:
        """A data set out of a tier, which it fills, and how many images it gives."""
        steps = -(-images // batch)
        weights = np.ones(int(split.labels.max()) + 1, np.float32)
        data = DataConfig(image_size=side, data_dir=folder)
        batches = tiers.open_tier(tier, split, data, class_weights=weights, batch_size=batch)
        return batches(0, steps), steps * batch

    def first_epoch(
        self, tier: str, split: Split, *, side: int, augment: Callable | None, threads: int | None = None
    ) -> timing.Contender:
        """Everything a first epoch does, with an empty cache each time."""
        if threads is not None:
            split = _limited(split, threads)
        steps, folder = -(-len(split) // self.batch), str(self.folder.parent / "empty")

        def epoch() -> None:
            batches, _ = self.read(tier, split, side=side, batch=self.batch, images=len(split), folder=folder)
            _consume(batches, augment)

        def clean_up() -> None:
            disk.wait_until_kept()
            shutil.rmtree(folder, ignore_errors=True)

        return timing.Contender(epoch, images=steps * self.batch, clean_up=clean_up)

    def later_epochs(self, tier: str, *, side: int, batch: int, augment: Callable | None) -> timing.Contender:
        """Passes over a tier that is full."""
        dataset, images = self.read(tier, self.split, side=side, batch=batch, images=self.warm_images)
        return timing.Contender(lambda: _consume(dataset, augment), images=images)


def _contenders(bench: _Bench, names: list[str]) -> dict[str, timing.Contender]:
    count = len(bench.split)
    found = {
        BASELINE: timing.Contender(_flow(bench), images=count),
        "image_dataset_from_directory + stock Keras layers": timing.Contender(
            stock_layers.from_directory(bench.folder, batch_size=bench.batch, side=_SIDE), images=count
        ),
    }
    for tier in names:
        found |= _ours(bench, tier)
    found["decode_jpeg alone, all cores (a ceiling for reading without a cache)"] = timing.Contender(
        decode_jpeg.alone(bench.split), images=count
    )
    side = _own_side(bench.split)
    if side:
        found |= _without_resizing(bench, names, side)
    return found


def _without_resizing(bench: _Bench, names: list[str], side: int) -> dict[str, timing.Contender]:
    """What a pipeline adds to libjpeg where images already have the size the model wants."""
    title = f"not resized, {side}x{side}, {len(bench.many)} images: "
    found = {
        f"{title}decode_jpeg alone, all cores": timing.Contender(decode_jpeg.alone(bench.many), len(bench.many)),
        f"{title}decode_jpeg alone, all cores, into fresh memory": timing.Contender(
            decode_jpeg.kept(bench.many, side=side), len(bench.many)
        ),
    }
    for tier in names:
        found[f"{title}ours, {tier}, first epoch: not augmented"] = bench.first_epoch(
            tier, bench.many, side=side, augment=None
        )
        if tier != "none":
            found[f"{title}ours, {tier}, later epochs: not augmented"] = bench.later_epochs(
                tier, side=side, batch=bench.batch, augment=None
            )
    return found


def _own_side(split: Split) -> int | None:
    """The side of the images in pixels if they are square and alike, else None."""
    shapes = {tuple(tf.io.decode_image(encoded, channels=3).shape[:2]) for encoded in split.encoded()}
    height, width = min(shapes)
    return height if len(shapes) == 1 and height == width else None


def _ours(bench: _Bench, tier: str) -> dict[str, timing.Contender]:
    side, batch = _SIDE, bench.batch
    augmented = _augmentation(batch)
    first = functools.partial(bench.first_epoch, tier, bench.split, side=side)
    later = functools.partial(bench.later_epochs, tier, side=side, batch=batch)
    found = {
        f"ours, {tier}, first epoch: decoded, cached and augmented": first(augment=augmented),
        f"ours, {tier}, later epochs: augmented": later(augment=augmented),
        f"ours, {tier}, later epochs: not augmented": later(augment=None),
    }
    cores = len(os.sched_getaffinity(0))
    for threads in dict.fromkeys((1, cores)):
        name = f"ours, {tier}, first epoch: not augmented, {threads} thread{'s' if threads > 1 else ''}"
        found[name] = first(augment=None, threads=threads)
    for swept_side, swept in bench.swept:
        if (swept_side, swept) != (side, batch):
            name = f"ours, {tier}, later epochs: augmented, {swept_side}x{swept_side}, batches of {swept}"
            found[name] = bench.later_epochs(tier, side=swept_side, batch=swept, augment=_augmentation(swept))
            bench.batches[name] = swept
    return found


def _limited(split: Split, threads: int) -> Split:
    """The split read and decoded by so many threads: the options of a data set hold for what is built on it."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    return dataclasses.replace(split, open_at=lambda positions: split.open_at(positions).with_options(options))


def _augmentation(batch: int) -> Callable[[dict[str, tf.Tensor], tf.Tensor], tf.Tensor]:
    augment = Augmentation(image_data_generator.AUGMENT, seed=0)

    @functools.partial(tf.function, jit_compile=True)
    def compiled(images: tf.Tensor, slots: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        return augment(images, slots, step=step, global_batch=batch).images

    return lambda element, step: compiled(element["image"], element["slot"], step)


def _consume(batches: Iterable[Any], augment: Callable | None) -> None:
    """Takes every batch and waits until the last is there."""
    result = None
    for step, element in enumerate(batches):
        result = element["image"] if augment is None else augment(element, tf.constant(step))
    assert result is not None
    result[0, 0, 0, 0].numpy()


def _flow(bench: _Bench) -> Callable[[], object]:
    flow = image_data_generator.flow(bench.folder, batch_size=bench.batch, side=_SIDE)

    def one_pass() -> None:
        for _ in range(len(flow)):
            next(flow)

    return one_pass


if __name__ == "__main__":
    main(sys.argv)
