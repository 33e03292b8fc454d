"""The story of a training run: data, network, phases, results."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ftdata import data_service
from ftdata.augment.mixing import check_pairs
from ftdata.cache import tiers
from ftdata.errors import UserError
from ftdata.sources.source import Source, open_source
from ftdata.sources.weighting import class_weights
from trainers.commands import agreement, announced
from trainers.config import TrainConfig, sequence
from trainers.doctor import diagnosis
from trainers.models import starting_point
from trainers.rundir import record, seen
from trainers.rundir.run_dir import RunDir
from trainers.runtime.devices import runs_on_gpu
from trainers.runtime.processes import ProcessGroup
from trainers.runtime.signals import StopRequest
from trainers.training import callbacks as own_callbacks
from trainers.training.context import RunContext
from trainers.training.phase import build_first, run_phase


def run(
    config: TrainConfig,
    run_dir: RunDir,
    callbacks: Sequence[keras.callbacks.Callback],
    command_line: Sequence[str],
    stop: StopRequest,
    processes: ProcessGroup,
    devices: tf.distribute.Strategy,
) -> dict[str, dict[str, Any]]:
    """Opens the data; runs the phases that lead to `config.phase`, or the data doctor. Returns the metrics."""
    _check_batch(config, devices)
    config = agreement.settle(config, run_dir, on_gpu=runs_on_gpu(devices), processes=processes)
    checks = config.phase == "check"
    data = dataclasses.replace(config.data, on_bad_image="skip") if checks else config.data  # it names them all
    source = open_source(data)
    _check_test_set(config, source)
    if data.data_service:
        data_service.check(data.data_service, source)
    starting_point.check_classes(config.model, source.class_names)
    source = dataclasses.replace(source, notes=(*source.notes, *seen.warnings(source, config.model)))
    if checks:
        return {"check": diagnosis.check(config, source, devices, run_dir)}
    agreement.check_data(processes, source)
    decided_by = record.compare(run_dir, config, source) if processes.is_chief else {}
    weights = class_weights(source.train.labels, num_classes=len(source.class_names), mode=config.training.class_weight)
    own_callbacks.check(callbacks, has_validation=len(source.validation) > 0)
    context = RunContext(config, source, weights, devices, run_dir, stop=stop, processes=processes)
    announced.describe(context)
    built = build_first(context)
    pictures = tiers.open_all(source, config.data, on_gpu=runs_on_gpu(devices), workers=processes.size)
    context = dataclasses.replace(context, pictures=pictures)
    if processes.is_chief:
        # all that can be refused was looked at
        record.start(run_dir, config, decided_by, source=source, command_line=command_line)
        announced.list_bad_images(source, run_dir)
        announced.draw_samples(context)
    results = {}
    for phase in sequence(config.phase):
        network = built.pop(phase.name, None)
        results[phase.name] = run_phase(phase, context, network=network, callbacks=callbacks)
    announced.say_where(context, results[config.phase])
    return results


def _check_batch(config: TrainConfig, devices: tf.distribute.Strategy) -> None:
    replicas = devices.num_replicas_in_sync
    if config.training.batch_size % replicas:
        raise UserError(f"batch_size must be a multiple of the {replicas} devices, got {config.training.batch_size}")
    pieces = config.training.gradient_accumulation_steps
    if config.training.batch_size % (replicas * pieces):
        raise UserError(
            f"batch_size must be a multiple of {replicas * pieces}, the {replicas} devices times "
            f"gradient_accumulation_steps={pieces}, got {config.training.batch_size}"
        )
    if config.augment.mixes_pairs:
        check_pairs(config.training.batch_size // (replicas * pieces))


def _check_test_set(config: TrainConfig, source: Source) -> None:
    if len(source.test):
        return
    if not config.data.validation_fraction:
        raise UserError(f"{source.name} has no test set and validation_fraction=0 holds none out: set it above 0")
    raise UserError(
        f"{source.name}: {len(source.train)} images in {len(source.class_names)} classes are too few to hold a test "
        "set out of them: give every class two or more (three for a validation split too), or a test set"
    )
