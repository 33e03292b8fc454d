"""The story of a search (`--time_budget`): which model is best, found in trials, before that one is trained."""

import contextlib
import dataclasses
import json
from collections.abc import Collection, Iterator
from typing import Any

from ftdata.log import log
from ftdata.names import counted
from trainers.config import SearchConfig, TrainConfig, as_dict, deciding
from trainers.models import catalogue, imagenet_weights
from trainers.rundir import lock
from trainers.rundir.bound import settings_fingerprint
from trainers.rundir.cleared import clear
from trainers.rundir.run_dir import RunDir
from trainers.runtime.signals import StopRequest
from trainers.search import halving, recipes, result, table
from trainers.search.clock import Clock
from trainers.search.state import State
from trainers.search.trials import FINE_TUNED, HEADS, Trial, Trials, minutes
from trainers.training.tensorboard import write_hparams

_RANDOM_FOLDS = "3"  # where nothing is known of groups


@contextlib.contextmanager
def timed(config: TrainConfig, run_dir: RunDir) -> Iterator[Clock]:
    """Counts the time of a search while the block runs, in a folder that is cleared where --overwrite asks for it."""
    if config.overwrite:
        with lock.only_writer(run_dir.root):
            clear(run_dir)
    run_dir.root.mkdir(parents=True, exist_ok=True)
    with Clock(run_dir.search_seconds).running() as clock:
        yield clock


def chosen(
    config: TrainConfig, run_dir: RunDir, clock: Clock, *, given: Collection[str], stop: StopRequest
) -> TrainConfig:
    """Runs the trials that are not finished, and returns the settings of the model to train on all images.

    Args:
      config: as the user set it.
      run_dir: of the run.
      clock: that runs.
      given: names of the settings that the user has given, which hold for every trial.
      stop: tells when somebody asks to stop.

    Raises:
      UserError: settings or data that cannot be used, or nothing that came to an end.
      Interrupted: somebody asked to stop; the same command goes on.
    """
    folds = config.training.folds or ("groups" if config.data.group_pattern else _RANDOM_FOLDS)
    training = dataclasses.replace(config.training, folds=folds)
    base = dataclasses.replace(config, search=SearchConfig(), overwrite=False, training=training)
    with lock.only_writer(run_dir.root), stop.deferred():
        state = State(run_dir.search, _deciding(base))
        if state.get("schedule"):
            state.compare("budget", {"time_budget": config.search.time_budget})
        else:  # nothing hangs on it yet
            state.put("budget", {"time_budget": config.search.time_budget})
        trials = Trials(base, config.search.seconds, run_dir, state, clock, stop)
        if not state.get("chosen"):
            log.info(
                f"search: {minutes(trials.budget_s)} for heads on features, fine-tuning recipes by folds, and the best "
                "of them on all images"
            )
            done = len(state.results(HEADS)) + len(state.results(FINE_TUNED))
            if done:
                log.info(f"  resumed: {counted(done, 'trial')} judged, {minutes(clock.used)} used")
            networks = state.get("networks") or state.put("networks", _networks(base))
            found = halving.run(trials, networks, recipes.variants(given, as_dict(base)))
            best = result.ranked(found)[0]
            values = {
                **{"name": best.name, "score": best.mean, "optimism": result.optimism(found)},
                **{"among": sum(len(one.candidates) or 1 for one in found), "trials": len(table.rows(state))},
                "monitor": training.monitored,
            }
            state.put("chosen", values)
        log.info("\n".join(["", *table.lines(state), ""]))
        return _settings_of_chosen(trials)


def conclude(run_dir: RunDir, clock: Clock, config: TrainConfig) -> None:
    """Says what it took, at the very end, and gives each trial its row in TensorBoard's HParams table."""
    if config.runtime.tensorboard:
        _to_tensorboard(run_dir)
    log.info(f"the search took {minutes(clock.used)} of {minutes(config.search.seconds)}; {run_dir.search} has it all")


def _deciding(base: TrainConfig) -> dict[str, Any]:
    values = settings_fingerprint({**deciding(base, "transfer"), **deciding(base, "finetune")})
    return json.loads(json.dumps(values))  # as they are read again


def _networks(base: TrainConfig) -> list[dict[str, Any]]:
    model = base.model
    if model.backbone == catalogue.AUTO and model.weights == "imagenet" and not model.backbone_args:
        return imagenet_weights.at_hand()
    return [{"backbone": model.backbone, "backbone_args": model.backbone_args, "weights": model.weights}]


def _settings_of_chosen(trials: Trials) -> TrainConfig:
    """Of the model to train; what the folds of its trial have trained is moved to where its run looks for it."""
    name, state = trials.state.get("chosen")["name"], trials.state
    trial = next((trial for trial in halving.planned(state.get("schedule")) if trial.name == name), None)
    if trial is None:
        network = next(network for network in state.get("networks") if halving.head_name(network) == name)
        return trials.config(Trial(name, network, {}), phase="transfer", run_dir=trials.run_dir)
    folds = trials.folder(trial).folds
    if folds.is_dir() and not trials.run_dir.folds.exists():
        folds.rename(trials.run_dir.folds)
    return trials.config(trial, run_dir=trials.run_dir)


def _to_tensorboard(run_dir: RunDir) -> None:
    for number, row in enumerate(table.rows(State(run_dir.search))):
        folder = run_dir.hparams(f"search_{number + 1:02}")
        if not row.result or folder.exists():
            continue
        metrics = {**row.metrics, "phase": f"search {number + 1:02}", "step": 0, "seconds": row.seconds}
        settings = {"trial": row.name, **row.network, **row.changes}
        write_hparams(folder, run=run_dir.root, settings=settings, metrics=metrics)
