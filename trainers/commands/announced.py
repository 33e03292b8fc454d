"""What a run says of itself at its start and at its end, and the pictures it shows first."""

import resource
from typing import Any

import numpy as np

from ftdata import seeds
from ftdata.augment import augmentation
from ftdata.names import listed
from ftdata.sources import bad_images
from ftdata.sources.source import Source
from trainers.commands.verdict import verdict
from trainers.evaluation import figures
from trainers.rundir.run_dir import Workdir, write_atomically
from trainers.runtime import devices as strategy
from trainers.training.context import Job


def list_bad_images(source: Source, workdir: Workdir) -> None:
    """Writes the names of the pictures that are left out, and says how many there are."""
    if not source.bad_images:
        workdir.bad_images.unlink(missing_ok=True)
        return
    lines = "".join(f"{image.name}\t{image.reason}\n" for image in source.bad_images)
    content = lines.encode("utf-8", "surrogateescape")  # file names as they are
    write_atomically(workdir.bad_images, lambda temporary: temporary.write_bytes(content))
    kinds = bad_images.summary(source.bad_images)
    print(f"{len(source.bad_images):,} images are left out ({kinds}); {workdir.bad_images} lists them")


def describe(job: Job) -> None:
    """Prints pictures, classes, class weights and devices."""
    source, devices, weights = job.source, job.strategy, job.class_weights
    train, validation, test = (len(split) for split in (source.train, source.validation, source.test))
    print(
        f"{source.name}: {train} training, {validation} validation and {test} test images in "
        f"{len(source.class_names)} classes"
    )
    print(f"  classes {listed(source.class_names, limit=20)}")
    for note in (
        *source.notes,
        *augmentation.notes(job.config.augment, image_size=int(job.config.data.image_size or 0)),
    ):
        print(f"  {note}")
    if not validation:
        print("  no validation split: the last epoch is kept; --monitor and --early_stopping_patience have no effect")
    if len(weights) <= 20:
        print(f"  class weights {', '.join(f'{weight:.4f}' for weight in weights)}")
    print(
        f"{devices.num_replicas_in_sync} {'GPU' if strategy.runs_on_gpu(devices) else 'CPU'} device(s), "
        f"{job.config.runtime.mixed_precision}, "
        f"XLA compiles {'nothing' if job.compiled == 'nothing' else f'the {job.compiled}'}",
        flush=True,
    )


def draw_samples(job: Job) -> None:
    """A 3x3 grid of training images with their labels."""
    order = seeds.generator(job.config.seed, "samples").permutation(len(job.source.train))[:9]
    captions = [job.source.class_names[label] for label in job.source.train.labels[order]]
    grid = figures.image_grid(job.pictures["train"].take(order), captions, title=job.source.name)
    figures.save(grid, job.workdir.root / "samples.png")


def say_where(job: Job, metrics: dict[str, Any]) -> None:
    """What held the run back, what it took, and where everything is."""
    sentence = verdict(
        input_wait_fraction=metrics["input_wait_fraction"],
        seconds_per_step=job.config.training.batch_size / max(metrics["images_per_second"], 1e-9),
        on_gpu=strategy.runs_on_gpu(job.strategy),
        tier=job.pictures["train"].tier,
    )
    print(f"{metrics['phase']} was {sentence}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    held = [pictures.tensor for pictures in job.pictures.values() if pictures.tensor is not None]
    cached = sum(np.prod(tensor.shape) for tensor in held) / 2**20
    images = f", of which {cached:.0f} MiB are decoded images (in {job.pictures['train'].tier})" if held else ""
    print(f"peak memory {peak:.0f} MiB{images}")
    print(
        f"everything is in {job.workdir.root}; watch it with: tensorboard --logdir={job.workdir.root / 'logs'}",
        flush=True,
    )
