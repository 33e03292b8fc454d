"""run(config): refuses what cannot be run, launches the processes, and hands over to a command."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import keras

from ftdata.errors import UserError
from ftdata.log import log
from trainers.commands import (
    agreement,
    check,
    estimate,
    evaluate,
    export,
    find_learning_rate,
    predict,
    report,
    search,
    serve,
    train,
    verify,
)
from trainers.config import SEARCHED_PHASES, TrainConfig
from trainers.export import needed
from trainers.refusals import beginning
from trainers.rundir import lock
from trainers.rundir.run_dir import RunDir, remove_leftovers
from trainers.runtime import cluster, retracing
from trainers.runtime.launcher import launch
from trainers.runtime.signals import StopRequest
from trainers.tracking import backend, tracked_run
from trainers.training.callbacks import check_callbacks

_USES = {
    "evaluate": evaluate.run,
    "predict": predict.run,
    "export": export.run,
    "report": report.run,
    "serve": serve.run,
    "verify": verify.run,
}
_ONLY_READ = ("predict", "serve", "verify")


def run(
    config: TrainConfig,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    command_line: Sequence[str] = (),
    given: Collection[str] = (),
    stop: StopRequest | None = None,
) -> dict[str, dict[str, Any]]:
    """Trains and evaluates, or uses what was trained, as `config.phase` says.

    Args:
      config: of the run.
      callbacks: further Keras callbacks; their own state is not restored after a crash. The logs of a batch are
        empty but for every `log_every_steps`th, so that an accelerator need not wait for them.
      command_line: recorded in config.json.
      given: names of the settings that hold for every trial of a search (`time_budget`); the others may vary.
      stop: tells when somebody asks to stop; the command line's listens to signals, by default nobody asks.

    Returns:
      The metrics of each phase by its name, as in its metrics.json; for the phase `check`, what it found.

    Raises:
      UserError: settings, data or a model_dir that cannot be used, or training that diverged; the message says
        what to change.
      OSError: a file that cannot be read or written.
    """
    _check_installed(config)
    check_callbacks(
        callbacks, has_validation=True, task=config.data.task
    )  # what is wrong in any case, before the images are read
    stop = stop or StopRequest()
    if config.phase in _USES:
        return {config.phase: _use(config, stop=stop)}
    if config.phase == "check":
        return {"check": _check(config)}
    if config.phase == "estimate":
        return {"estimate": _estimate(config, stop=stop)}
    if config.phase == "find_learning_rate":
        return {"find_learning_rate": _find_learning_rate(config, stop=stop)}
    train: Callable[..., dict[str, dict[str, Any]]] = _train
    if config.search.time_budget and config.phase not in SEARCHED_PHASES:
        log.info(f"note: no search in {config.phase}: --time_budget is for the phases {' and '.join(SEARCHED_PHASES)}")
    if config.search.time_budget and config.phase in SEARCHED_PHASES:
        train = functools.partial(_search, given=given)
    if config.phase != "all":
        return train(config, callbacks=callbacks, command_line=command_line, stop=stop)
    needed.check_installed(  # before hours of training
        config.use.export_formats, web_runtime=config.use.web_runtime
    )
    metrics = train(
        dataclasses.replace(config, phase="finetune"), callbacks=callbacks, command_line=command_line, stop=stop
    )
    found = cluster.find(config.runtime.distribution_strategy)
    if found and found.index:
        return metrics  # rank 0 exports
    if config.use.none_of_these is not None:
        metrics["evaluate"] = _use(dataclasses.replace(config, phase="evaluate"), stop=stop)
    return {**metrics, "export": _use(dataclasses.replace(config, phase="export"), stop=stop)}


def _train(
    config: TrainConfig,
    *,
    callbacks: Sequence[keras.callbacks.Callback],
    command_line: Sequence[str],
    stop: StopRequest,
) -> dict[str, dict[str, Any]]:
    run_dir = _run_dir(config)
    with (
        launch(config.runtime, shared=lambda: agreement.shared(config)) as (processes, devices),
        contextlib.ExitStack() as stack,
    ):
        if config.training.folds:
            stack.enter_context(retracing.expected())
        if processes.is_chief:
            run_dir.check()
        beginning.start(config, run_dir)
        if processes.is_chief:
            stack.enter_context(lock.only_writer(run_dir.root))
            remove_leftovers(run_dir)
        return train.run(
            config,
            run_dir,
            callbacks=callbacks,
            command_line=command_line,
            stop=stop,
            processes=processes,
            devices=devices,
        )


def _search(
    config: TrainConfig,
    *,
    callbacks: Sequence[keras.callbacks.Callback],
    command_line: Sequence[str],
    given: Collection[str],
    stop: StopRequest,
) -> dict[str, dict[str, Any]]:
    """Finds out what to train in processes of their own, before this one opens a device, then trains it."""
    run_dir = _run_dir(config)
    run_dir.check()
    beginning.search(config, run_dir)
    with search.timed(config, run_dir) as clock:
        chosen = search.chosen(config, run_dir, clock, given=given, stop=stop)
        metrics = _train(chosen, callbacks=callbacks, command_line=command_line, stop=stop)
    search.conclude(run_dir, clock, config)
    return metrics


def _check(config: TrainConfig) -> dict[str, Any]:
    """Writes files of its own at most, so it needs no lock: it may look at a folder in use."""
    run_dir = _run_dir(config)
    with launch(config.runtime) as (_, devices):
        run_dir.check()
        beginning.start(config, run_dir)
        return check.run(config, run_dir, devices=devices)


def _estimate(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    run_dir = _run_dir(config)
    with launch(config.runtime) as (_, devices):
        run_dir.check()
        beginning.start(config, run_dir)
        with stop.deferred(), retracing.expected():
            return estimate.run(config, run_dir, devices=devices, stop=stop)


def _find_learning_rate(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    """Writes in a folder of its own, so it needs no lock."""
    run_dir = _run_dir(config)
    beginning.find_learning_rate(config)
    with launch(config.runtime) as (_, devices):
        run_dir.check()
        beginning.start(config, run_dir)
        with stop.deferred():
            return find_learning_rate.run(config, run_dir, devices=devices, stop=stop)


def _use(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    if config.phase not in _ONLY_READ:  # the folder of the run
        _run_dir(config).check()
    # raised anywhere else it could end up in a __del__, which swallows it
    with stop.deferred(), retracing.expected() if config.phase == "verify" else contextlib.nullcontext():
        found = _USES[config.phase](config, stop=stop)
    if config.phase in ("evaluate", "export"):
        tracked_run.attach(config.runtime.track, config.model_dir)
    return found


def _run_dir(config: TrainConfig) -> RunDir:
    return RunDir(Path(config.model_dir).expanduser())


def _check_installed(config: TrainConfig) -> None:
    if config.runtime.track != "none":
        backend.check_installed(config.runtime.track)
    if keras.backend.backend() != "tensorflow":
        raise UserError(f"KERAS_BACKEND must be tensorflow, got {keras.backend.backend()}")
    if keras.config.image_data_format() != "channels_last":
        raise UserError(
            "image_data_format must be channels_last, in ~/.keras/keras.json or by keras.config.set_image_data_format, "
            f"got {keras.config.image_data_format()}"
        )
