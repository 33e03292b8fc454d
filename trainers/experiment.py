"""The story of a run."""

import dataclasses
import os
import resource
import sys
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ftdata import bad_images, tiers
from ftdata.class_weights import class_weights
from ftdata.mixing import check_pairs
from ftdata.source import Source, open_source
from trainers import (
    assessment,
    check,
    cluster,
    export,
    figures,
    lock,
    phases,
    predict,
    record,
    starting_point,
    strategy,
    together,
    training,
)
from trainers.config import TrainConfig, without_effect
from trainers.interrupt import StopRequest
from trainers.job import Job
from trainers.team import Team
from trainers.verdict import verdict
from trainers.workdir import Workdir, remove_leftovers, write_atomically

_USES = {"evaluate": assessment.run, "predict": predict.run, "export": export.run}


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
      callbacks: further Keras callbacks; their own state is not restored after a crash.
      command_line: recorded in config.json.
      stop: tells when somebody asks to stop; the command line's listens to signals, by default nobody asks.

    Returns:
      The metrics of each phase by its name, as in its metrics.json; for the phase `check`, what it found.

    Raises:
      ValueError: settings, data or a model_dir that cannot be used, or training that diverged; the message says
        what to change.
      OSError: a file that cannot be read or written.
    """
    _check(callbacks)
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
    with together.start(config) as (team, devices):
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
    source = open_source(data, seed=config.seed)
    _check_test_set(config, source)
    starting_point.check_classes(config.model, source.class_names)
    if checks:
        return {"check": check.run(config, source, devices, workdir)}
    together.check_data(team, source)
    decided_by = record.compare(workdir, config, source) if team.is_chief else {}
    weights = class_weights(source.train.labels, num_classes=len(source.class_names), mode=config.training.class_weight)
    job = Job(config, source, weights, devices, workdir, stop=stop, team=team)
    _describe(job)
    built = training.build_first(job)
    pictures = tiers.open_all(source, config.data, on_gpu=strategy.runs_on_gpu(devices), workers=team.size)
    job = dataclasses.replace(job, pictures=pictures)
    if team.is_chief:
        record.start(workdir, config, decided_by, command_line=command_line)  # all that can be refused was looked at
        _list_bad_images(source, workdir)
        _draw_samples(job)
    results = {}
    for phase in phases.sequence(config.phase):
        network = built.pop(phase.name, None)
        results[phase.name] = training.run_phase(phase, job, network=network, callbacks=callbacks)
    _say_where(job, results[config.phase])
    return results


def run_from_command_line(
    config: TrainConfig, *, given: Collection[str], command_line: Sequence[str], stop: StopRequest | None = None
) -> int:
    """`run`, with what the user can mend said in a paragraph; returns the exit status."""
    for name, reason in without_effect(config, set(given)).items():
        print(f"note: --{name} has no effect: {reason}", flush=True)
    try:
        run(config, command_line=command_line, stop=stop)
    except (ValueError, OSError) as error:
        if not isinstance(error, OSError) and not _is_ours(error):
            raise
        print(f"error: {_in_words(error)}", file=sys.stderr)
        return 1
    except tf.errors.ResourceExhaustedError:
        half = max(1, config.training.batch_size // 2)
        print(
            f"error: out of memory at --batch_size={config.training.batch_size}: try --batch_size={half}",
            file=sys.stderr,
        )
        return 1
    except tf.errors.OpError as error:
        message = bad_images.in_the_input(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 1
    return 0


def _in_words(error: Exception) -> str:
    """`Permission denied: runs/mine` instead of `[Errno 13] Permission denied: 'runs/mine'`."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.strerror}: {os.fsdecode(error.filename)}" if error.filename else error.strerror


def _is_ours(error: BaseException) -> bool:
    """Whether the project itself raised the error, so that its message is meant for the user."""
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    root = Path(__file__).parent.parent
    return any(raised_in.is_relative_to(root / package) for package in ("ftdata", "trainers"))


def _check(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"KERAS_BACKEND must be tensorflow, got {keras.backend.backend()}")
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.LearningRateScheduler | keras.callbacks.ReduceLROnPlateau):
            raise ValueError(
                f"{type(callback).__name__} clashes with the learning rate schedule, which sets the rate at every "
                "step: use learning_rate_schedule and warmup_steps"
            )


def _check_batch(config: TrainConfig, devices: tf.distribute.Strategy) -> None:
    replicas = devices.num_replicas_in_sync
    if config.training.batch_size % replicas:
        raise ValueError(f"batch_size must be a multiple of the {replicas} devices, got {config.training.batch_size}")
    if config.augment.mixes_pairs:
        check_pairs(config.training.batch_size // replicas)


def _check_test_set(config: TrainConfig, source: Source) -> None:
    if len(source.test):
        return
    if not config.data.validation_fraction:
        raise ValueError(f"{source.name} has no test set and validation_fraction=0 holds none out: set it above 0")
    raise ValueError(
        f"{source.name}: {len(source.train)} images in {len(source.class_names)} classes are too few to hold a test "
        "set out of them: give every class two or more (three for a validation split too), or a test set"
    )


def _list_bad_images(source: Source, workdir: Workdir) -> None:
    if not source.bad_images:
        workdir.bad_images.unlink(missing_ok=True)
        return
    lines = "".join(f"{image.name}\t{image.reason}\n" for image in source.bad_images)
    write_atomically(workdir.bad_images, lambda temporary: temporary.write_text(lines, encoding="utf-8"))
    kinds = bad_images.summary(source.bad_images)
    print(f"{len(source.bad_images):,} images are left out ({kinds}); {workdir.bad_images} lists them")


def _describe(job: Job) -> None:
    source, devices, weights = job.source, job.strategy, job.class_weights
    train, validation, test = (len(split) for split in (source.train, source.validation, source.test))
    print(
        f"{source.name}: {train} training, {validation} validation and {test} test images in "
        f"{len(source.class_names)} classes"
    )
    print(f"  classes {', '.join(source.class_names)}")
    for note in source.notes:
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


def _draw_samples(job: Job) -> None:
    """A 3x3 grid of training images with their labels."""
    order = np.random.default_rng(job.config.seed).permutation(len(job.source.train))[:9]
    captions = [job.source.class_names[label] for label in job.source.train.labels[order]]
    grid = figures.image_grid(job.pictures["train"].take(order), captions, title=job.source.name)
    figures.save(grid, job.workdir.root / "samples.png")


def _say_where(job: Job, metrics: dict[str, Any]) -> None:
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
