"""What a search does, one after the other: speeds, heads on features, a schedule, and successive halving by it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ftdata.errors import UserError
from ftdata.log import log
from ftdata.names import counted
from trainers.config import TrainConfig
from trainers.search import result, schedule
from trainers.search.result import Result
from trainers.search.schedule import Effort, Speed
from trainers.search.trials import FINE_TUNED, HEADS, Trial, Trials, minutes, network_name

Recipes = Mapping[str, Mapping[str, Any]]  # settings by the name of the recipe

_INTERPOLATED = 4  # models that --interpolate_weights judges in place of one
_FEWEST = 4  # trials, that longer ones have to leave time for; fewer only where shorter ones are no more
_OVER = 1.1  # of the budget: how far a plan may be over it
_FOR_HEADS = 0.35  # of the budget at most
_BACKBONES = 3  # that are fine-tuned at most


def run(trials: Trials, networks: Sequence[Mapping[str, Any]], variants: Sequence[Recipes]) -> list[Result]:
    """Does what is not done yet.

    Args:
      trials: what runs them.
      networks: to try, settings of ModelConfig.
      variants: the recipes to try, the likeliest first, in rising numbers of epochs.

    Returns:
      The results that may be chosen among: the heads alone, and the trials that have trained all folds.

    Raises:
      UserError: nothing came to an end.
      Interrupted: somebody asked to stop.
    """
    costliest = next(iter(variants[0].values()))
    speeds = {network_name(network): _speed(trials, network, costliest) for network in networks}
    measured = {name: speed for name, speed in speeds.items() if speed}
    if not measured:
        raise UserError(trials.why_none())
    heads = [Trial(head_name(network), network, {}) for network in networks if network_name(network) in measured]
    _judge_heads(trials, heads, measured)
    if not trials.state.results(HEADS):
        raise UserError(trials.why_none())
    plan = trials.state.get("schedule") or trials.state.put("schedule", _plan(trials, heads, measured, variants))
    _halve(trials, planned(plan), plan["levels"], measured)
    folds = next(iter(measured.values())).folds
    return [*trials.state.results(HEADS), *(one for one in trials.state.results(FINE_TUNED) if one.folds >= folds)]


def head_name(network: Mapping[str, Any]) -> str:
    """What the trial of a head alone is called."""
    return f"{network_name(network)}, head alone"


def planned(plan: Mapping[str, Any]) -> list[Trial]:
    """The trials of a schedule, out of its JSON values."""
    return [Trial(each["name"], each["network"], each["changes"]) for each in plan["trials"]]


def effort_of(config: TrainConfig) -> Effort:
    """What the folds of these settings cost."""
    training = config.training
    averages = len(training.ema_decay) if isinstance(training.ema_decay, tuple) else 1
    is_live = training.head_solver == "sgd" and not training.feature_views
    return Effort(
        epochs=training.finetune_epochs,
        views=training.feature_views,
        judged=averages * (_INTERPOLATED if training.interpolate_weights else 1),
        live=training.transfer_epochs if is_live else 0,
    )


def _speed(trials: Trials, network: Mapping[str, Any], costliest: Mapping[str, Any]) -> Speed | None:
    """Measured once; None where that failed."""
    trial = Trial(f"{network_name(network)}, speed", network, costliest)
    known = (trials.state.get("speeds") or {}).get(trial.network_name)
    if known is None and trials.state.may_be_tried(trial.name) and (found := trials.do(trial, "speed")):
        trials.state.add("settled", trial.network_name, found["settled"])
        known = trials.state.add("speeds", trial.network_name, found["speed"])
    if known is None:
        return None
    speed = Speed(**known)
    log.info(
        f"  {trial.network_name}: {1 / speed.step_s:,.0f} images/s when all layers are trained, "
        f"{1 / speed.forward_s:,.0f} for features"
    )
    return speed


def _judge_heads(trials: Trials, heads: Sequence[Trial], speeds: Mapping[str, Speed]) -> None:
    """Heads on the features of each backbone, the fastest first, as far as that leaves time for more."""
    spent = 0.0
    for place, head in enumerate(sorted(heads, key=lambda head: schedule.head_s(speeds[head.network_name]))):
        speed = speeds[head.network_name]
        seconds = schedule.head_s(speed)
        spent += seconds
        if trials.state.result(HEADS, head.name) or trials.is_out(head.name):
            continue
        rest = schedule.head_refit_s(speed, effort_of(trials.config(head)))
        if not place and (need := trials.clock.used + seconds + rest) > _OVER * trials.budget_s:
            what = f"{counted(speed.images, 'image')} and the head of {head.network_name} alone"
            least = math.ceil(need / 60)
            raise UserError(f"time_budget must be at least {least}m for {what}, got {minutes(trials.budget_s)}")
        if place and (spent > _FOR_HEADS * trials.budget_s or trials.clock.used + seconds + rest > trials.budget_s):
            trials.drop(head.name, f"it would take {minutes(seconds)}")
            continue
        trials.judge(HEADS, head, "estimate", planned_s=seconds)


def _plan(
    trials: Trials, heads: Sequence[Trial], speeds: Mapping[str, Speed], variants: Sequence[Recipes]
) -> dict[str, Any]:
    """As many trials as fit into the time that is left, of the longest recipes that leave time for enough of them, and
    the levels of halving, as JSON values."""
    left_s = trials.budget_s - trials.clock.used
    by_name = {head.name: head for head in heads}
    ranked = [by_name[judged.name] for judged in result.ranked(trials.state.results(HEADS))]

    def costs(among: Sequence[Trial]) -> list[tuple[Speed, Effort]]:
        return [(speeds[trial.network_name], effort_of(trials.config(trial))) for trial in among]

    def fitting(recipes: Recipes) -> list[Trial]:
        each = [
            [Trial(f"{head.network_name}, {name}", head.network, values) for name, values in recipes.items()]
            for head in ranked
        ]
        candidates = schedule.interleaved(
            [own for own in each if schedule.count(costs(own[:1]), left_s=left_s)][:_BACKBONES]
        )
        return candidates[: schedule.count(costs(candidates), left_s=left_s)]

    found = [fitting(recipes) for recipes in variants]
    chosen = max(enumerate(found), key=lambda numbered: (min(len(numbered[1]), _FEWEST), numbered[0]))[1]
    seconds = schedule.total_s(costs(chosen)) if chosen else 0.0
    if chosen:
        epochs = trials.config(chosen[0]).training.finetune_epochs
        what = f"{counted(len(chosen), 'trial')} of fine-tuning for {counted(epochs, 'epoch')}"
        log.info(f"  {what}: about {minutes(seconds)} of the {minutes(left_s)} left")
    else:
        log.info(f"  {minutes(left_s)} are too short to fine-tune by folds: the head alone is trained")
    return {
        "trials": [
            {"name": trial.name, "network": dict(trial.network), "changes": dict(trial.changes)} for trial in chosen
        ],
        "levels": schedule.levels(len(chosen), speeds[chosen[0].network_name].folds) if chosen else [],
        "planned_seconds": round(seconds, 1),
        "left_seconds": round(left_s, 1),
    }


def _halve(
    trials: Trials, survivors: list[Trial], levels: Sequence[Sequence[int]], speeds: Mapping[str, Speed]
) -> None:
    by_name = {trial.name: trial for trial in survivors}
    for level, (count, folds) in enumerate(levels):
        recorded = (trials.state.get("survivors") or {}).get(str(level))
        if recorded is None:  # what is trained in a level moves its scores, so that it is kept who was in it
            recorded = [trial.name for trial in _best_first(trials, survivors)[:count]]
            trials.state.add("survivors", str(level), recorded)
        survivors = [by_name[name] for name in recorded]
        for place, trial in enumerate(survivors):
            missing = folds - _folds_of(trials, trial)
            if missing <= 0 or trials.is_out(trial.name):
                continue
            speed, effort = speeds[trial.network_name], effort_of(trials.config(trial))
            seconds = missing * schedule.fold_s(speed, effort)
            if place:  # the best so far is finished in any case
                need = trials.pace() * (seconds + _reserve(trials, survivors[0], speeds))
                if trials.clock.used + need > trials.budget_s:
                    trials.drop(trial.name, "there is no time for it")
                    continue
            if not _folds_of(trials, trial):
                seconds += schedule.views_s(speed, effort)
            trials.judge(FINE_TUNED, trial, "folds", planned_s=seconds, folds=folds)


def _folds_of(trials: Trials, trial: Trial) -> int:
    """How many a trial has trained."""
    known = trials.state.result(FINE_TUNED, trial.name)
    return known.folds if known else 0


def _best_first(trials: Trials, among: Sequence[Trial]) -> list[Trial]:
    """Those that are judged, by how good they are, then those that are not yet; without what is out."""
    left = [trial for trial in among if not trials.is_out(trial.name)]
    known = [found for trial in left if (found := trials.state.result(FINE_TUNED, trial.name))]
    order = [found.name for found in result.ranked(known)]
    return sorted(left, key=lambda trial: order.index(trial.name) if trial.name in order else len(order))


def _reserve(trials: Trials, leader: Trial, speeds: Mapping[str, Speed]) -> float:
    """Seconds to finish the best trial so far, and to train its model on all images."""
    speed, effort = speeds[leader.network_name], effort_of(trials.config(leader))
    missing = speed.folds - _folds_of(trials, leader)
    return missing * schedule.fold_s(speed, effort) + schedule.refit_s(speed, effort)
