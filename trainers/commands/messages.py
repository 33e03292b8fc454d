"""What a run says of itself at its start and at its end, and the images it shows first."""

import resource
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ftdata import labels, seeds
from ftdata.augment import augmentation
from ftdata.log import log
from ftdata.names import counted, listed
from ftdata.sources import bad_images
from ftdata.sources.source import Source
from trainers.config import other_channels
from trainers.evaluation import figures, tiles
from trainers.rundir.progress import FEW_STEPS
from trainers.rundir.run_dir import RunDir, write_atomically
from trainers.runtime.devices import runs_on_gpu
from trainers.training.context import RunContext

# Waiting for input for more than this share of the time is worth fixing.
_INPUT_BOUND = 0.1
# A step shorter than this, seconds, on an accelerator is about what starting its programs takes.
_LAUNCH_BOUND = 0.004


def list_bad_images(source: Source, run_dir: RunDir) -> None:
    """Writes the names of the images that are skipped, and logs how many there are."""
    if not source.bad_images:
        run_dir.bad_images.unlink(missing_ok=True)
        return
    lines = "".join(f"{image.name}\t{image.reason}\n" for image in source.bad_images)
    content = lines.encode("utf-8", "surrogateescape")  # file names as they are
    write_atomically(run_dir.bad_images, lambda temporary: temporary.write_bytes(content))
    kinds = bad_images.summary(source.bad_images)
    log.info(f"{counted(len(source.bad_images), 'image')} skipped ({kinds}); {run_dir.bad_images} lists them")


def describe(context: RunContext) -> None:
    """Logs images, classes, class weights and devices."""
    source, weights = context.source, context.class_weights
    train, validation, test = (len(split) for split in (source.train, source.validation, source.test))
    log.info(
        f"{source.name}: {train} training, {validation} validation and {test} test images in "
        f"{counted(len(source.class_names), 'class')}"
    )
    log.info(f"  classes {listed(source.class_names, limit=20)}")
    for note in (
        *source.notes,
        *other_channels.notes(context.config.model, context.config.channels),
        *augmentation.notes(context.config.augment, image_size=context.config.image_size),
    ):
        log.info(f"  {note}")
    if not validation:
        log.info(
            "  no validation split: --folds choose the epoch"
            if context.config.training.folds
            else "  no validation split: the last epoch is kept; --monitor and --early_stopping_patience have no effect"
        )
    if len(weights) <= 20:
        what = "weights of the images that show a class" if context.config.task == "multi" else "class weights"
        log.info(f"  {what} {', '.join(f'{weight:.4f}' for weight in weights)}")
    log.info(context.hardware)


def draw_samples(context: RunContext) -> None:
    """A 3x3 grid of training images with their labels."""
    order = seeds.generator(context.config.seed, "samples").permutation(len(context.source.train))[:9]
    captions = [labels.in_words(label, context.source.class_names) for label in context.source.train.labels[order]]
    grid = tiles.image_grid(context.images["train"].take(order), captions, title=context.source.name)
    figures.save(grid, context.run_dir.samples)


def summarize(context: RunContext, metrics: dict[str, Any]) -> None:
    """What held the run back, what it took, and where everything is."""
    if metrics["images_per_second"] is not None:
        sentence = describe_bottleneck(
            input_wait_fraction=metrics["input_wait_fraction"],
            seconds_per_step=context.config.training.batch_size / max(metrics["images_per_second"], 1e-9),
            on_gpu=runs_on_gpu(context.strategy),
            tier=context.images["train"].tier,
            reads_features="feature_rows" in metrics,
            steps=metrics["step"],
        )
        log.info(f"{metrics['phase']} was {sentence}")
    if metrics.get("expected_new_group_interval"):
        (low, high), (lowest, highest) = metrics["expected_new_group_interval"], metrics["new_group_range"]
        of_labels = metrics.get("expected_new_group_map")
        value = metrics["expected_new_group_accuracy"] if of_labels is None else of_labels
        log.info(
            f"on a new group expect {'' if of_labels is None else 'a mAP of '}{value:.1%}: {low:.1%} to {high:.1%} in "
            f"the mean over groups like these, {lowest:.1%} to {highest:.1%} on a single one"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    held = [images.tensor for images in context.images.values() if images.tensor is not None]
    cached = sum(np.prod(tensor.shape) for tensor in held) / 2**20
    decoded = f", of which {cached:.0f} MiB are decoded images (in {context.images['train'].tier})" if held else ""
    log.info(f"peak memory {peak:.0f} MiB{decoded}")
    page = context.run_dir.report
    log.info(
        f"everything is in {context.run_dir.root}; {f'read {page}, ' if page.is_file() else ''}"
        f"watch it with: {_program('tensorboard')} "
        f"--logdir={context.run_dir.root / 'logs'}"
    )


def show_receipt(context: RunContext) -> None:
    """The digest that tells whether the receipt was rewritten, if it is kept elsewhere."""
    if context.receipt and context.receipt.digest:
        log.info(
            f"receipt {context.receipt.digest}: keep this line elsewhere, and --phase=verify --receipt=DIGEST finds "
            "whatever is altered in the run, its receipt included"
        )


def _program(name: str) -> str:
    """How to call a program of this Python: its name where a shell finds it by that, else its path."""
    beside = Path(sys.executable).with_name(name)
    if shutil.which(name) == str(beside) or not beside.is_file():
        return name
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)


def describe_bottleneck(
    *,
    input_wait_fraction: float,
    seconds_per_step: float,
    on_gpu: bool,
    tier: str,
    steps: int,
    reads_features: bool = False,
) -> str:
    """Whether training was input-bound, launch-bound or compute-bound, with the shares and what would help.

    Of very few steps nothing is said: most of their time is compilation.

    Args:
      input_wait_fraction: share of the training time spent waiting for a batch.
      seconds_per_step: of a training step, waiting included.
      on_gpu: whether the steps ran on an accelerator.
      tier: the cache tier of the training images.
      steps: how many there were.
      reads_features: whether the steps began with features instead.
    """
    if steps < FEW_STEPS:
        return f"too short to tell what held it back: {counted(steps, 'step')}"
    shares = f"{input_wait_fraction:.1%} of the time waiting for input, {1 - input_wait_fraction:.1%} computing"
    if input_wait_fraction > _INPUT_BOUND:
        faster = {"none": "--cache=disk", "disk": "--cache=memory", "memory": "--cache=device"}.get(tier)
        if reads_features or (faster == "--cache=device" and not on_gpu):
            faster = None
        return f"input-bound: {shares}; {faster or 'fewer other programs beside it'} would help, by that share at most"
    if on_gpu and seconds_per_step < _LAUNCH_BOUND:
        return f"launch-bound: {shares}, in steps of {seconds_per_step * 1e3:.1f} ms; a larger --batch_size would help"
    if reads_features:
        helps = "--steps_per_execution or a larger --batch_size"
        return f"compute-bound: {shares}; {helps} would help, faster input would not"
    helps = "a smaller --backbone" if on_gpu else "a smaller --image_size or --backbone"
    return f"compute-bound: {shares}; {helps} would help, faster input would not"
