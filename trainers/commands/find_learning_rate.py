"""`--phase=find_learning_rate`: the learning rate of the phase that trains next, from a short run that is not kept."""

import dataclasses
import time
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata.cache import tiers
from ftdata.cache.features import FeatureStore
from ftdata.errors import UserError
from ftdata.log import log
from ftdata.names import counted
from trainers.commands import messages, resolution
from trainers.commands.train import make_context, open_data
from trainers.config import PHASES, Phase, TrainConfig
from trainers.evaluation import figures, rate_figure
from trainers.refusals import beginning
from trainers.rundir.progress import write_history
from trainers.rundir.run_dir import RunDir, write_json
from trainers.runtime.devices import runs_on_gpu
from trainers.runtime.signals import StopRequest
from trainers.training import range_test
from trainers.training.context import RunContext
from trainers.training.loss_curve import LossCurve

_NAME = "find_learning_rate"


def run(config: TrainConfig, run_dir: RunDir, *, devices: tf.distribute.Strategy, stop: StopRequest) -> dict[str, Any]:
    """Tests the phase that would train next, writes find_learning_rate/ and returns its metrics.json.

    Raises:
      UserError: settings, data or a model_dir that cannot be used, or no learning rate to find.
      Interrupted: somebody asked to stop; nothing is written.
    """
    began = time.perf_counter()
    phase = next_phase(config, run_dir)
    beginning.batch(config.training, config.augment, replicas=devices.num_replicas_in_sync)
    context = _opened(dataclasses.replace(config, phase=phase.name), phase, run_dir, devices, stop=stop)
    log.info(f"{_NAME}: {_outlook(phase, context)}")
    curve = range_test.loss_curve(phase, context)
    return _write(curve, phase, context, seconds=time.perf_counter() - began)


def next_phase(config: TrainConfig, run_dir: RunDir) -> Phase:
    """The phase that would train next: transfer, or finetune once transfer is finished (and is not started over).

    Raises:
      UserError: it has no learning rate, or is not a part of this.
    """
    if run_dir.is_begun("pretrain") and not config.overwrite:
        raise UserError(
            f"find_learning_rate is for transfer and finetune, and model_dir {run_dir.root} holds a pretrain phase: "
            "give another --model_dir"
        )
    is_transferred = run_dir.phase("transfer").metrics.is_file() and not config.overwrite
    if not is_transferred and config.training.head_solver == "lbfgs":
        raise UserError(
            "head_solver=lbfgs solves for the head without a learning rate, so there is none to find for transfer: run "
            "--phase=transfer first, and find_learning_rate finds that of finetune"
        )
    return PHASES["finetune" if is_transferred else "transfer"]


def _opened(
    config: TrainConfig, phase: Phase, run_dir: RunDir, devices: tf.distribute.Strategy, *, stop: StopRequest
) -> RunContext:
    """What the phase would have, with its training images open and no others."""
    on_gpu = runs_on_gpu(devices)
    config = resolution.settle(config, run_dir, on_gpu=on_gpu)
    source = open_data(config, config.data)
    source = source.pooled() if config.training.folds else source
    context = make_context(config, source, run_dir, devices, stop=stop)
    # the rate and whatever else decides the phase itself are free; what it starts from has to fit
    before = {name: values for name, values in context.record.deciding.items() if name != phase.name}
    dataclasses.replace(context.record, deciding={**before, _NAME: {}}).compare(run_dir, source)
    messages.describe(context)
    nothing = source.train.subset(np.zeros(len(source.train), bool))
    tested = dataclasses.replace(source, validation=nothing, test=nothing)
    steps = range_test.number_of_steps(len(source.train), batch_size=config.training.batch_size)
    # fewer are decoded so; of records that are not held the order would be another
    if source.train.paths is not None and 2 * steps * config.training.batch_size <= len(source.train):
        images = {"train": tiers.open_split(source.train, config.data, tier="none")}
    else:
        images = tiers.open_all(tested, config.data, on_gpu=on_gpu)
    features = FeatureStore.of(source.train, config.data) if config.training.feature_views else None
    return dataclasses.replace(context, source=tested, images=images, feature_store=features)


def _outlook(phase: Phase, context: RunContext) -> str:
    """What is about to be done, and why with so few steps where they are few."""
    count, batch = len(context.source.train), context.config.training.batch_size
    steps = range_test.number_of_steps(count, batch_size=batch)
    few = f" (not {range_test.MOST_STEPS}: there are only {counted(count, 'image')})"
    return (
        f"the first {counted(steps, 'step')} of {phase.name}{few if steps < range_test.MOST_STEPS else ''} at learning "
        f"rates that rise from {range_test.LOWEST:g} to {range_test.HIGHEST:g}, and once more at 0, to compare with"
    )


def _write(curve: LossCurve, phase: Phase, context: RunContext, *, seconds: float) -> dict[str, Any]:
    """Writes the folder, says what was found, and returns what metrics.json holds.

    Raises:
      UserError: neither falls the loss nor rises it.
    """
    rules, rule, files = curve.rules, curve.best_rule, context.run_dir.find_learning_rate
    files.metrics.unlink(missing_ok=True)  # of an earlier test: it is written last
    if rule is None:
        raise UserError(
            f"find_learning_rate: no learning rate up to {range_test.HIGHEST:g} changes the loss of {phase.name} "
            f"({curve.start:.2f}): does anything train? See --unfreeze, --weights and --class_weight"
        )
    flag, batch = f"--{phase.name}_learning_rate={rules[rule]:g}", context.config.training.batch_size
    asked = range_test.number_of_steps(len(context.source.train), batch_size=batch)
    metrics = {
        "phase": phase.name,
        "learning_rate": rules[rule],
        "flag": flag,
        "rule": rule,
        "rules": rules,
        "loss_at_start": curve.start,
        "loss_that_diverges": curve.diverged,
        "lowest_smoothed_loss": float(curve.smoothed.min()),
        "lowest_at": curve.lowest_at,
        "diverges_at": curve.diverges_at,
        "has_diverged": curve.has_diverged,
        "steps": len(curve.rates),
        "steps_at_most": asked,
        "batch_size": batch,
        "optimizer": context.config.training.optimizer,
        "data_set": context.source.name,
        "seconds": seconds,
    }
    columns = {
        "learning_rate": curve.rates,
        "loss": curve.losses,
        "loss_at_start": curve.starting_losses,
        "smoothed_loss": curve.smoothed,
    }
    rows = [{name: float(values[step]) for name, values in columns.items()} for step in range(len(curve.rates))]
    write_history(files.history, [{"step": step, **row} for step, row in enumerate(rows)])
    figure = rate_figure.loss_over_rate(
        curve.rates,
        curve.losses,
        curve.smoothed,
        start=curve.start,
        diverged=curve.diverged,
        suggested=rules[rule],
        others={name: rate for name, rate in rules.items() if name != rule},
        title=f"{phase.name}: {flag}",
    )
    figures.save(figure, files.curves)
    write_json(files.metrics, metrics)  # last: its presence says that all is there
    log.info("\n".join(_in_words(curve, metrics)))
    log.info(f"nothing that was trained is kept; {files.curves} shows the loss by learning rate ({seconds:.0f} s)")
    return metrics


def _in_words(curve: LossCurve, metrics: dict[str, Any]) -> list[str]:
    """What the loss does over the learning rate, and the flag."""
    start, lowest_at, diverges_at = curve.start, curve.lowest_at, curve.diverges_at
    fall = f"falls from {start:.2f} to {curve.smoothed.min():.2f} at {lowest_at:.1e}" if lowest_at else "hardly falls"
    rise = f"diverges from {diverges_at:.1e} on" if diverges_at else f"does not diverge up to {curve.rates[-1]:g}"
    reason = {
        "divergence": "a tenth of where it diverges",
        "lowest": "where it is lowest, below a tenth of where it diverges",
        "minimum": "a tenth of where it is lowest",
    }[metrics["rule"]]
    batch = counted(metrics["batch_size"], "image")
    return [
        f"  in {counted(metrics['steps'], 'step')} of {batch} the loss {fall}, and {rise}",
        f"suggested: {metrics['flag']} ({reason})",
    ]
