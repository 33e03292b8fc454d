"""The story of a run."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from ftdata import data_service
from ftdata.augment.mixing import check_pairs
from ftdata.cache import tiers
from ftdata.sources.class_weights import class_weights
from ftdata.sources.source import Source, open_source
from trainers.commands import announced, evaluate, export, predict
from trainers.config import TrainConfig
from trainers.doctor import check
from trainers.models import starting_point, trainable
from trainers.rundir import lock, record, seen
from trainers.rundir.run_dir import Workdir, remove_leftovers
from trainers.runtime import cluster, launch
from trainers.runtime import devices as strategy
from trainers.runtime.processes import Team
from trainers.runtime.signals import StopRequest
from trainers.training import callbacks as own_callbacks
from trainers.training import phase as training
from trainers.training.context import Job

_USES = {"evaluate": evaluate.run, "predict": predict.run, "export": export.run}


def run(
    config: TrainConfig,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    command_line: Sequence[str] = (),
    stop: StopRequest | None = None,
) -> dict[str, dict[str, Any]]:
    """Trains and evaluates, or uses what was trained, as `config.phase` says.

    Args:
      config: of the run.
      callbacks: further Keras callbacks; their own state is not restored after a crash. The logs of a batch are
        empty but for every `log_every_steps`th, so that an accelerator need not wait for them.
      command_line: recorded in config.json.
      stop: tells when somebody asks to stop; the command line's listens to signals, by default nobody asks.

    Returns:
      The metrics of each phase by its name, as in its metrics.json; for the phase `check`, what it found.

    Raises:
      ValueError: settings, data or a model_dir that cannot be used, or training that diverged; the message says
        what to change.
      OSError: a file that cannot be read or written.
    """
    _check_backend()
    own_callbacks.check(callbacks, has_validation=True)  # what is wrong in any case, before the images are read
    stop = stop or StopRequest()
    if config.phase in _USES:
        return {config.phase: _use(config, stop=stop)}
    if config.phase == "all":
        export.check_formats(config)  # before hours of training
        trained = run(
            dataclasses.replace(config, phase="finetune"), callbacks=callbacks, command_line=command_line, stop=stop
        )
        found = cluster.find(config.runtime.distribution_strategy)
        return (
            trained
            if found and found.index
            else {**trained, "export": _use(dataclasses.replace(config, phase="export"), stop=stop)}
        )
    workdir = Workdir(Path(config.model_dir).expanduser())
    with launch.start(config) as (team, devices):
        parts = (config, workdir, callbacks, command_line, stop, team, devices)
        if not team.is_chief:
            starting_point.check(config)
            return _run(*parts)
        workdir.check()
        starting_point.check(config)
        if config.phase == "check":  # writes nothing, so it may look at a folder in use
            return _run(*parts)
        with lock.only_writer(workdir.root):
            remove_leftovers(workdir)
            return _run(*parts)


def _use(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    if config.phase != "predict":  # whose answers go to standard output
        Workdir(Path(config.model_dir).expanduser()).check()
    with stop.deferred():  # raised anywhere else it could end up in a __del__, which swallows it
        return _USES[config.phase](config, stop=stop)


def _run(
    config: TrainConfig,
    workdir: Workdir,
    callbacks: Sequence[keras.callbacks.Callback],
    command_line: Sequence[str],
    stop: StopRequest,
    team: Team,
    devices: tf.distribute.Strategy,
) -> dict[str, dict[str, Any]]:
    _check_batch(config, devices)
    config = record.settle(config, workdir, on_gpu=strategy.runs_on_gpu(devices), team=team)
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
    launch.check_data(team, source)
    decided_by = record.compare(workdir, config, source) if team.is_chief else {}
    weights = class_weights(source.train.labels, num_classes=len(source.class_names), mode=config.training.class_weight)
    own_callbacks.check(callbacks, has_validation=len(source.validation) > 0)
    job = Job(config, source, weights, devices, workdir, stop=stop, team=team)
    announced.describe(job)
    built = training.build_first(job)
    pictures = tiers.open_all(source, config.data, on_gpu=strategy.runs_on_gpu(devices), workers=team.size)
    job = dataclasses.replace(job, pictures=pictures)
    if team.is_chief:
        # all that can be refused was looked at
        record.start(workdir, config, decided_by, source=source, command_line=command_line)
        announced.list_bad_images(source, workdir)
        announced.draw_samples(job)
    results = {}
    for phase in trainable.sequence(config.phase):
        network = built.pop(phase.name, None)
        results[phase.name] = training.run_phase(phase, job, network=network, callbacks=callbacks)
    announced.say_where(job, results[config.phase])
    return results


def _check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"KERAS_BACKEND must be tensorflow, got {keras.backend.backend()}")
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "image_data_format must be channels_last, in ~/.keras/keras.json or by keras.config.set_image_data_format, "
            f"got {keras.config.image_data_format()}"
        )


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
