"""`--phase=estimate`: how good a model will be on groups of images unlike those at hand, without training one."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ftdata.cache import tiers
from ftdata.cache.features import FeatureStore
from ftdata.log import log
from ftdata.names import counted
from ftdata.sources.source import Source, open_source
from ftdata.sources.split import Split
from trainers.commands import resolution
from trainers.commands.train import make_context
from trainers.config import TrainConfig, other_channels
from trainers.doctor import proposal
from trainers.doctor.label_errors import LabelErrors
from trainers.evaluation import figures, reports
from trainers.evaluation.scores import Evaluation
from trainers.folds import division, frozen, learning_curve
from trainers.folds.division import Division, Fold
from trainers.folds.estimate import Estimate
from trainers.folds.groups import Groups
from trainers.folds.sample import sample
from trainers.models import starting_point
from trainers.report import page
from trainers.rundir.cleared import check_kept
from trainers.rundir.run_dir import RunDir
from trainers.runtime.devices import runs_on_gpu
from trainers.runtime.signals import StopRequest
from trainers.training.context import RunContext

_DECIDING = (
    *("backbone", "backbone_args", "weights", "image_size", "mixed_precision", "preprocessing", "pooling"),
    *("channels", "exclude_csv", "group_pattern", "folds", "feature_views", "class_weight", "monitor"),
)


def run(config: TrainConfig, run_dir: RunDir, *, devices: tf.distribute.Strategy, stop: StopRequest) -> dict[str, Any]:
    """Judges heads on images that they have not seen, writes estimate/ and returns its metrics.json.

    Raises:
      UserError: settings or data that cannot be used.
      Interrupted: somebody asked to stop; the features that were computed are kept.
    """
    began = time.perf_counter()
    check_kept("exclude_csv", config.data.exclude_csv, cleared=run_dir.estimate, by="an estimate")
    context, divided, estimated = found(config, run_dir, devices=devices, stop=stop)
    pool = context.source.train
    if divided.groups is None:
        _propose(pool, context.images["train"].take, run_dir)
    return _write(estimated, context, pool, seconds=time.perf_counter() - began)


def found(
    config: TrainConfig,
    run_dir: RunDir,
    *,
    devices: tf.distribute.Strategy,
    stop: StopRequest,
    source: Source | None = None,
) -> tuple[RunContext, Division, Estimate]:
    """The estimate, how the images are divided for it, and what that is about; writes no file but features.

    Args:
      config: as the user set it.
      run_dir: of the run.
      devices: that compute.
      stop: tells when somebody asks to stop.
      source: the images, those for training and validation; by default all but those that come as a test set.

    Raises:
      as `run`.
    """
    config = _settled(config, run_dir, devices)
    source = source or _source(config)
    context = _opened(config, source, run_dir, devices, stop=stop)
    pool = context.source.train
    log.info(
        f"{source.name}: an estimate from {counted(len(pool), 'image')} in {counted(len(source.class_names), 'class')}"
    )
    notes = other_channels.notes(config.model, config.data.channels)
    for note in (*context.source.notes, *_left_alone(source, pool), *notes):
        log.info(f"  {note}")
    log.info(context.hardware)
    divided = Division.of(context.source, config.data, config.training.folds)
    return context, divided, estimate(context, divided, frozen.frozen_part(context))


def already_known(config: TrainConfig, run_dir: RunDir, *, devices: tf.distribute.Strategy) -> Estimate | None:
    """The estimate of groups where all features of the images are kept, so that it takes the heads alone; else None."""
    if not config.data.group_pattern or not tiers.folder(config.data).is_dir():
        return None
    config = _settled(config, run_dir, devices)
    context = _opened(config, _source(config), run_dir, devices)
    divided = Division.of(context.source, config.data, config.training.folds)
    prefix = frozen.frozen_part(context)
    return estimate(context, divided, prefix) if frozen.are_there(prefix, context) else None


def _source(config: TrainConfig) -> Source:
    """All images but those that come as a test set: nothing that is kept is trained, so nothing has to be held out."""
    source = open_source(dataclasses.replace(config.data, validation_fraction=0.0))
    starting_point.check_classes(config.model, source.class_names)
    return source


def _settled(config: TrainConfig, run_dir: RunDir, devices: tf.distribute.Strategy) -> TrainConfig:
    """With a head of one layer on a vector: flattened feature maps are too long to be solved for."""
    pooling = "avg" if config.model.pooling == "flatten" else config.model.pooling
    model = dataclasses.replace(config.model, pooling=pooling, dense_units=0)
    return resolution.settle(dataclasses.replace(config, model=model), run_dir, on_gpu=runs_on_gpu(devices))


def _opened(
    config: TrainConfig,
    source: Source,
    run_dir: RunDir,
    devices: tf.distribute.Strategy,
    *,
    stop: StopRequest | None = None,
) -> RunContext:
    """With all images that are estimated from as the training images, to be decoded when they are asked for."""
    pooled = source.pooled()
    pool = pooled.train.subset(sample(pooled.train.labels, seed=config.seed))
    context = make_context(config, dataclasses.replace(pooled, train=pool), run_dir, devices, stop=stop)
    images = tiers.open_split(pool, config.data, tier="none")
    return dataclasses.replace(context, images={"train": images}, feature_store=FeatureStore.of(pool, config.data))


def estimate(context: RunContext, divided: Division, prefix: keras.Model) -> Estimate:
    """The estimate from the training images of a run, which are open, by the features that `prefix` gives.

    Raises:
      UserError: the features cannot be kept on disk.
      Interrupted: somebody asked to stop.
    """
    source, labels = context.source, context.source.train.labels
    names, groups = source.class_names, divided.groups
    at_random = division.at_random(labels) if groups else divided.folds
    features = frozen.features_of(prefix, context)
    channels = features.plain.shape[1]
    log.info(
        f"  features: {counted(len(labels), 'image')} of {channels:,} numbers, "
        f"{f'{features.made:,} computed' if features.made else 'all of them read'}"
    )
    options: dict[str, Any] = {
        "class_names": names,
        "class_weights": context.config.training.class_weights,
        "monitor": context.config.monitor,
    }
    by_chance = frozen.judged(features, labels, at_random, groups=None, name="random folds", **options)
    left_out = by_chance
    if groups is not None:
        options |= {"groups": groups.of_image, "name": "groups"}
        left_out = frozen.judged(features, labels, divided.folds, **options)
    found = Estimate(names, groups, divided.folds, left_out, by_chance)
    if not context.config.training.learning_curve:
        return found
    fewest = int(np.bincount(labels).min())
    if fewest < learning_curve.FEWEST_IMAGES:
        log.info(
            f"  no learning curve: the smallest class has {counted(fewest, 'image')}, too few to take a part of them"
        )
        return found
    options = {"groups": None, "name": "random folds", **options}

    def judge(learned: Callable[[Fold], np.ndarray]) -> Evaluation:
        return frozen.judged(features, labels, divided.folds, learned=learned, **options)

    found_curves = learning_curve.curves(judge, left_out, divided.folds, groups, seed=context.config.seed)
    return dataclasses.replace(found, curves=tuple(context.stop.between(found_curves)))


def _left_alone(source: Source, pool: Split) -> list[str]:
    lines = [f"the test set is left alone: {counted(len(source.test), 'image')}"] if len(source.test) else []
    count = len(source.train) + len(source.validation)
    if len(pool) < count:
        lines.append(f"drawn at random: {len(pool):,} of {counted(count, 'image')}: more would not tell more")
    return lines


def _propose(pool: Split, images_at: Any, run_dir: RunDir) -> None:
    """Shows the groups that the file names tell, for the user to say whether they are groups."""
    found = proposal.propose(pool)
    if found is None:
        log.info("  groups: none are given (--group_pattern), and the file names tell of none")
        return
    path = run_dir.estimate / "proposed_groups.png"
    groups = Groups.of(pool.names, found.pattern)
    assert groups is not None
    figures.save(proposal.picture(groups.of_image, groups.names, images_at), path)
    log.info(
        f"  groups: none are given. The file names tell {counted(found.groups, 'group')} apart that hold "
        f"{found.kept:.0%} of the pairs that look alike (see {path}). If those are videos, places, days or the like, "
        f"estimate with --group_pattern='{found.pattern}'"
        + (
            ""
            if found.is_mixed
            else ". Each is of one class: where one place was photographed for several classes, a "
            "pattern that leaves the class out holds the place together"
        )
    )


def _write(found: Estimate, context: RunContext, pool: Split, *, seconds: float) -> dict[str, Any]:
    folder, images_at, names = context.run_dir.estimate, context.images["train"].take, found.class_names
    for earlier in ("hardest_group.png", "learning_curve.png", "label_errors.png", "label_errors.csv"):
        (folder / earlier).unlink(missing_ok=True)
    judged, title = found.left_out, "left out in turn"
    drawn = reports.drawings(judged, names, images_at, title=title)
    if found.hardest:
        group, places = found.hardest
        drawn["hardest_group"] = figures.mistakes(
            lambda some: images_at(places[some]),
            Evaluation(judged.logits[places], judged.labels[places]),
            names,
            title=f"group {group}, left out",
        )
    if found.curves:
        drawn["learning_curve"] = learning_curve.picture(found.curves)
    wrong = LabelErrors.of(found.at_random)
    if wrong and not wrong.are_too_many:
        drawn["label_errors"] = wrong.picture(images_at, names)
        wrong.write(folder / "label_errors.csv", pool.names, names)
    settings = {name: context.record.settings[name] for name in _DECIDING}
    metrics = {**found.metrics(), "label_errors": len(wrong), "data_set": context.source.name}
    metrics |= {"settings": settings, "seconds": seconds}
    report = reports.write_report(folder, judged, names=pool.names, metrics=metrics, drawn=drawn)
    page.refresh(context.run_dir)
    # with groups the report stays in its file: its interval is of images like these, which the screen is not about
    lines = ["", *(found.table() or report.splitlines()), "", *found.in_words()]
    if found.hardest:
        lines.append(f"the hardest group is {found.hardest[0]}: {folder / 'hardest_group.png'} shows its mistakes")
    lines += wrong.lines(folder)
    log.info("\n".join(lines))
    log.info(f"nothing was trained; everything is in {folder} ({seconds:.0f} s)")
    return {**metrics, "loss": judged.loss, "accuracy": judged.accuracy}
