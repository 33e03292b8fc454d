"""The story of a training run: data, network, phases, results."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from ftdata import data_service
from ftdata.cache import tiers
from ftdata.cache.features import FeatureStore
from ftdata.config import DataConfig
from ftdata.errors import UserError
from ftdata.names import counted
from ftdata.sources.holdout import group_ids
from ftdata.sources.source import Source, open_source
from ftdata.sources.weighting import class_weights
from trainers.commands import agreement, cross_validation, messages, resolution
from trainers.config import TrainConfig
from trainers.folds.division import Division
from trainers.models import starting_point
from trainers.refusals import beginning
from trainers.report import page
from trainers.rundir import seen
from trainers.rundir.receipt import Receipt
from trainers.rundir.run_dir import RunDir
from trainers.runtime import hardware
from trainers.runtime.devices import runs_on_gpu
from trainers.runtime.processes import ALONE, ProcessGroup
from trainers.runtime.signals import Interrupted, StopRequest
from trainers.tracking.tracked_run import TrackedRun
from trainers.training import candidates
from trainers.training.callbacks import check_callbacks
from trainers.training.context import RunContext
from trainers.training.phase import run_phase
from trainers.training.phase_model import build_first


def run(
    config: TrainConfig,
    run_dir: RunDir,
    *,
    callbacks: Sequence[keras.callbacks.Callback],
    command_line: Sequence[str],
    stop: StopRequest,
    processes: ProcessGroup,
    devices: tf.distribute.Strategy,
) -> dict[str, dict[str, Any]]:
    """Opens the data and runs the phases that lead to `config.phase`; returns the metrics of each by its name.

    Args:
      config: as the user set it.
      run_dir: where everything is written, by rank 0 alone, which holds its lock.
      callbacks: further Keras callbacks.
      command_line: for the record.
      stop: tells when somebody asks to stop.
      processes: that train together.
      devices: of all of them.

    Raises:
      UserError: settings, data or a model_dir that cannot be used, or training that diverged.
      Interrupted: somebody asked to stop; everything is saved.
    """
    on_gpu = runs_on_gpu(devices)
    beginning.batch(config.training, config.augment, replicas=devices.num_replicas_in_sync)
    config = resolution.settle(config, run_dir, on_gpu=on_gpu, processes=processes)
    source, asked = open_data(config, config.data), config.training.folds
    folds = Division.of(source := source.pooled(), config.data, asked) if asked else None
    agreement.check_data(processes, source)
    context = make_context(config, source, run_dir, devices, stop=stop, processes=processes)
    decided_by = context.record.compare(run_dir, source) if processes.is_chief else {}
    check_callbacks(callbacks, has_validation=len(source.validation) > 0, task=config.data.task)
    messages.describe(context)
    built = build_first(context)
    if folds:
        built = {}  # it was only to be refused, and is built again after the folds
    context = opened(context, config)
    if processes.is_chief:
        # all that can be refused was looked at
        context.record.write(run_dir, decided_by, source=source, model=config.model, command_line=command_line)
        messages.list_bad_images(source, run_dir)
        messages.draw_samples(context)
        receipt = Receipt(run_dir, source, hardware=hardware.description(devices))
        context = dataclasses.replace(context, receipt=receipt)
    if folds:
        context = cross_validation.chosen(context, folds, config.data, command_line=command_line)
    results, phases = {}, context.config.phases
    tracked = TrackedRun(config.runtime.track if processes.is_chief else "none", run_dir)
    tracked.start(context.record.settings)
    with tracked.ended():
        for phase in phases:
            network, own = built.pop(phase.name, None), tracked.callbacks(phase, phases=phases)
            with _reported(context):
                results[phase.name] = run_phase(phase, context, network=network, callbacks=[*callbacks, *own])
            if processes.is_chief:
                tracked.finish(phase, results[phase.name], phases=phases)
    messages.summarize(context, results[config.phase])
    messages.show_receipt(context)
    return results


@contextlib.contextmanager
def _reported(context: RunContext) -> Iterator[None]:
    """Writes the page of the run when a phase ends, or is ended: it then says how far the phase has come."""
    try:
        yield
    except (Interrupted, UserError):
        if context.processes.is_chief:
            page.refresh(context.run_dir)
        raise
    if context.processes.is_chief:
        page.refresh(context.run_dir)


def open_data(config: TrainConfig, data: DataConfig) -> Source:
    """The images that `data` says, which have to suit the rest of `config`."""
    source = open_source(data)
    _check_test_set(source, validation_fraction=data.validation_fraction)
    if data.data_service:
        data_service.check(data.data_service, source)
    starting_point.check_classes(config.model, source.class_names)
    return dataclasses.replace(source, notes=(*source.notes, *seen.warnings(source, config.model)))


def make_context(
    settled: TrainConfig,
    source: Source,
    run_dir: RunDir,
    devices: tf.distribute.Strategy,
    *,
    stop: StopRequest | None = None,
    processes: ProcessGroup = ALONE,
) -> RunContext:
    """What the phases share, with no images open.

    Raises:
      UserError: several models to choose among, and nothing to choose by.
    """
    resolved = resolution.resolve(settled, on_gpu=runs_on_gpu(devices))
    candidates.check(resolved, source)
    return RunContext(
        resolved,
        source,
        class_weights(source.train.labels, source.class_names, settled.training.class_weights),
        devices,
        run_dir,
        resolution.record_of(settled),
        stop=stop or StopRequest(),
        processes=processes,
    )


def opened(context: RunContext, settled: TrainConfig) -> RunContext:
    """The context with its images open."""
    source, on_gpu = context.source, runs_on_gpu(context.strategy)
    images = tiers.open_all(source, settled.data, on_gpu=on_gpu, workers=context.processes.size)
    features = FeatureStore.of(source.train, settled.data) if settled.training.feature_views else None
    pattern = settled.data.group_pattern
    of_image = group_ids(source.train.names, pattern) if pattern else None
    return dataclasses.replace(context, images=images, feature_store=features, groups=of_image)


def _check_test_set(source: Source, *, validation_fraction: float) -> None:
    if len(source.test):
        return
    if not validation_fraction:
        beginning.no_test_set(source.name)
    images, classes = counted(len(source.train), "image"), counted(len(source.class_names), "class")
    raise UserError(
        f"{source.name}: {images} in {classes} are too few to hold a test set out of them: "
        "give every class two or more (three for a validation split too), or a test set"
    )
