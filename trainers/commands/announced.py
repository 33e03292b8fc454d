"""What a run says of itself at its start and at its end, and the pictures it shows first."""

import resource
from typing import Any

import numpy as np

from ftdata import seeds
from ftdata.augment import augmentation
from ftdata.log import log
from ftdata.names import listed
from ftdata.sources import bad_images
from ftdata.sources.source import Source
from trainers.commands.verdict import describe_bottleneck
from trainers.evaluation import figures
from trainers.rundir.run_dir import RunDir, write_atomically
from trainers.runtime.devices import runs_on_gpu
from trainers.training.context import RunContext


def list_bad_images(source: Source, run_dir: RunDir) -> None:
    """Writes the names of the pictures that are left out, and says how many there are."""
    if not source.bad_images:
        run_dir.bad_images.unlink(missing_ok=True)
        return
    lines = "".join(f"{image.name}\t{image.reason}\n" for image in source.bad_images)
    content = lines.encode("utf-8", "surrogateescape")  # file names as they are
    write_atomically(run_dir.bad_images, lambda temporary: temporary.write_bytes(content))
    kinds = bad_images.summary(source.bad_images)
    log.info(f"{len(source.bad_images):,} images are left out ({kinds}); {run_dir.bad_images} lists them")


def describe(context: RunContext) -> None:
    """Prints pictures, classes, class weights and devices."""
    source, weights = context.source, context.class_weights
    train, validation, test = (len(split) for split in (source.train, source.validation, source.test))
    log.info(
        f"{source.name}: {train} training, {validation} validation and {test} test images in "
        f"{len(source.class_names)} classes"
    )
    log.info(f"  classes {listed(source.class_names, limit=20)}")
    for note in (
        *source.notes,
        *augmentation.notes(context.config.augment, image_size=context.config.image_size),
    ):
        log.info(f"  {note}")
    if not validation:
        log.info(
            "  no validation split: the last epoch is kept; --monitor and --early_stopping_patience have no effect"
        )
    if len(weights) <= 20:
        log.info(f"  class weights {', '.join(f'{weight:.4f}' for weight in weights)}")
    log.info(context.hardware)


def draw_samples(context: RunContext) -> None:
    """A 3x3 grid of training images with their labels."""
    order = seeds.generator(context.config.seed, "samples").permutation(len(context.source.train))[:9]
    captions = [context.source.class_names[label] for label in context.source.train.labels[order]]
    grid = figures.image_grid(context.images["train"].take(order), captions, title=context.source.name)
    figures.save(grid, context.run_dir.root / "samples.png")


def say_where(context: RunContext, metrics: dict[str, Any]) -> None:
    """What held the run back, what it took, and where everything is."""
    sentence = describe_bottleneck(
        input_wait_fraction=metrics["input_wait_fraction"],
        seconds_per_step=context.config.training.batch_size / max(metrics["images_per_second"], 1e-9),
        on_gpu=runs_on_gpu(context.strategy),
        tier=context.images["train"].tier,
    )
    log.info(f"{metrics['phase']} was {sentence}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    held = [images.tensor for images in context.images.values() if images.tensor is not None]
    cached = sum(np.prod(tensor.shape) for tensor in held) / 2**20
    decoded = f", of which {cached:.0f} MiB are decoded images (in {context.images['train'].tier})" if held else ""
    log.info(f"peak memory {peak:.0f} MiB{decoded}")
    log.info(
        f"everything is in {context.run_dir.root}; watch it with: tensorboard --logdir={context.run_dir.root / 'logs'}"
    )
