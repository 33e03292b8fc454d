"""The story of a training run: data, network, phases, results."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ftdata import data_service
from ftdata.augment.mixing import check_pairs
from ftdata.cache import tiers
from ftdata.sources.class_weights import class_weights
from ftdata.sources.source import Source, open_source
from trainers.commands import agreement, announced
from trainers.config import TrainConfig, sequence
from trainers.doctor import check
from trainers.models import starting_point
from trainers.rundir import record, seen
from trainers.rundir.run_dir import Workdir
from trainers.runtime.devices import runs_on_gpu
from trainers.runtime.processes import Team
from trainers.runtime.signals import StopRequest
from trainers.training import callbacks as own_callbacks
from trainers.training.context import Job
from trainers.training.phase import build_first, run_phase


def run(
    config: TrainConfig,
    workdir: Workdir,
    callbacks: Sequence[keras.callbacks.Callback],
    command_line: Sequence[str],
    stop: StopRequest,
    team: Team,
    devices: tf.distribute.Strategy,
) -> dict[str, dict[str, Any]]:
    """Opens the data; runs the phases that lead to `config.phase`, or the data doctor. Returns the metrics."""
    _check_batch(config, devices)
    config = agreement.settle(config, workdir, on_gpu=runs_on_gpu(devices), team=team)
    checks = config.phase == "check"
    data = dataclasses.replace(config.data, on_bad_image="skip") if checks else config.data  # it names them all
    source = open_source(data)
    _check_test_set(config, source)
    if data.data_service:
        data_service.check(data.data_service, source)
    starting_point.check_classes(config.model, source.class_names)
    source = dataclasses.replace(source, notes=(*source.notes, *seen.warnings(source, config.model)))
    if checks:
        return {"check": check.run(config, source, devices, workdir)}
    agreement.check_data(team, source)
    decided_by = record.compare(workdir, config, source) if team.is_chief else {}
    weights = class_weights(source.train.labels, num_classes=len(source.class_names), mode=config.training.class_weight)
    own_callbacks.check(callbacks, has_validation=len(source.validation) > 0)
    job = Job(config, source, weights, devices, workdir, stop=stop, team=team)
    announced.describe(job)
    built = build_first(job)
    pictures = tiers.open_all(source, config.data, on_gpu=runs_on_gpu(devices), workers=team.size)
    job = dataclasses.replace(job, pictures=pictures)
    if team.is_chief:
        # all that can be refused was looked at
        record.start(workdir, config, decided_by, source=source, command_line=command_line)
        announced.list_bad_images(source, workdir)
        announced.draw_samples(job)
    results = {}
    for phase in sequence(config.phase):
        network = built.pop(phase.name, None)
        results[phase.name] = run_phase(phase, job, network=network, callbacks=callbacks)
    announced.say_where(job, results[config.phase])
    return results


def _check_batch(config: TrainConfig, devices: tf.distribute.Strategy) -> None:
    replicas = devices.num_replicas_in_sync
    if config.training.batch_size % replicas:
        raise ValueError(f"batch_size must be a multiple of the {replicas} devices, got {config.training.batch_size}")
    pieces = config.training.gradient_accumulation_steps
    if config.training.batch_size % (replicas * pieces):
        raise ValueError(
            f"batch_size must be a multiple of {replicas * pieces}, the {replicas} devices times "
            f"gradient_accumulation_steps={pieces}, got {config.training.batch_size}"
        )
    if config.augment.mixes_pairs:
        check_pairs(config.training.batch_size // (replicas * pieces))


def _check_test_set(config: TrainConfig, source: Source) -> None:
    if len(source.test):
        return
    if not config.data.validation_fraction:
        raise ValueError(f"{source.name} has no test set and validation_fraction=0 holds none out: set it above 0")
    raise ValueError(
        f"{source.name}: {len(source.train)} images in {len(source.class_names)} classes are too few to hold a test "
        "set out of them: give every class two or more (three for a validation split too), or a test set"
    )
