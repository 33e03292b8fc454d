"""A trial of a search, in a process of its own: `python -m trainers.commands.trial REQUEST.json`

So that no trial keeps memory of another, and none ends the search. The process ends with the one that started it, which
holds the other end of its standard input.
"""

import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata import seeds
from ftdata.augment.augmentation import Augmentation
from ftdata.cache import tiers
from ftdata.config import AugmentConfig
from ftdata.errors import UserError
from ftdata.sources.source import Source
from trainers.commands import cross_validation, estimate, resolution
from trainers.commands.train import make_context, open_data, opened
from trainers.config import PHASES, TrainConfig, as_dict, from_dict
from trainers.evaluation.scores import Evaluation
from trainers.folds import choice, frozen
from trainers.folds.division import Division
from trainers.refusals import beginning
from trainers.rundir import lock
from trainers.rundir.fingerprint import data_fingerprint
from trainers.rundir.run_dir import RunDir, read_json, write_json
from trainers.runtime.devices import runs_on_gpu
from trainers.runtime.launcher import launch
from trainers.runtime.signals import Interrupted, StopRequest, on_signals
from trainers.search import trial_process
from trainers.training import feature_computation, phase_model, phase_step
from trainers.training.context import Candidate, RunContext

_SETTLED = ("image_size", "mixed_precision", "fold_batch_norm", "monitor")
_WARM_UP, _MEASURED = 2, 6  # steps, and calls of the frozen part


@dataclasses.dataclass(frozen=True)
class Request:
    """What a trial is to do.

    Attributes:
      job: `speed`, `estimate` or `folds`.
      settings: of a TrainConfig, by name.
      result: the JSON file to write.
      started: time.time() when the process was started.
      folds: of the job `folds`: how many to have trained by its end.
    """

    job: str
    settings: dict[str, Any]
    result: str
    started: float
    folds: int = 0


def main(argv: Sequence[str]) -> int:
    """Does one job; returns the exit status."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    values = read_json(Path(argv[1]))
    assert values, "the search has written it"
    request = Request(**values)
    config = from_dict(request.settings)
    run_dir = RunDir(Path(config.model_dir).expanduser())
    failed = trial_process.USER_ERROR
    try:
        with on_signals() as stop, launch(config.runtime) as (_, devices), lock.only_writer(run_dir.root):
            with stop.deferred():
                settled, source, divided = _data(config, run_dir, devices)
                failed = trial_process.CANNOT_TRAIN  # from here on it is about this network or recipe
                found = _JOBS[request.job](settled, source, divided, run_dir, devices, stop, request)
            write_json(Path(request.result), {**found, "data": data_fingerprint(source)})
    except Interrupted as signal:
        return signal.exit_status
    except (UserError, OSError) as error:
        print(f"error: {error}", flush=True)
        return failed
    return 0


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def _data(
    config: TrainConfig, run_dir: RunDir, devices: tf.distribute.Strategy
) -> tuple[TrainConfig, Source, Division]:
    """What all trials have: the settings with nothing left to the program, the images but the test set, and how these
    are divided."""
    beginning.batch(config.training, config.augment, replicas=devices.num_replicas_in_sync)
    config = resolution.settle(config, run_dir, on_gpu=runs_on_gpu(devices))
    source = open_data(config, config.data).pooled()
    return config, source, Division.of(source, config.data, config.training.folds)


def _speed(
    config: TrainConfig,
    source: Source,
    divided: Division,
    run_dir: RunDir,
    devices: tf.distribute.Strategy,
    stop: StopRequest,
    request: Request,
) -> dict[str, Any]:
    """Seconds an image in a training step of all layers and in the frozen part, on a few of the images."""
    context = make_context(config, source, run_dir, devices, stop=stop)
    batch, whole = config.training.batch_size, source.train
    chosen = np.zeros(len(whole), bool)
    chosen[seeds.generator(config.seed, "samples").permutation(len(whole))[: 2 * batch]] = True
    some = whole.subset(chosen)
    images = {"train": tiers.open_split(some, config.data, tier="memory")}
    context = dataclasses.replace(context, source=dataclasses.replace(source, train=some), images=images)
    step_s = _step_seconds(context)
    setup_s = time.time() - request.started - (_WARM_UP + _MEASURED) * step_s
    speed = {
        "images": len(whole),
        "folds": len(divided.folds),
        "test_images": len(source.test),
        "step_s": step_s / batch,
        "setup_s": setup_s,
        "forward_s": _forward_seconds(context) / feature_computation.BATCH / context.shard.count,
    }
    settled = {name: value for name, value in as_dict(config).items() if name in _SETTLED}
    return {"speed": speed, "settled": settled}


def _step_seconds(context: RunContext) -> float:
    phase = dataclasses.replace(PHASES["finetune"], starts_from=None)
    augmentation = phase_step.augmentation_of(phase, context)
    network = phase_model.build(phase, context)
    step = phase_step.train_step(context, network, augmentation, context.new_consensus(), suffix=None)
    batches = phase_step.training_batches(context, context.images["train"], seed=augmentation.seed)
    read = batches(0, _WARM_UP + _MEASURED)

    def once(number: int) -> None:
        step(next(read), step=number, learning_rate=0.0).numpy()

    return _median_seconds(once, context.stop)


def _forward_seconds(context: RunContext) -> float:
    prefix, count = frozen.frozen_part(context), context.shard.count
    augmentation = Augmentation(context.config.augment, seed=0)
    compute = feature_computation.create(
        prefix,
        augmentation,
        tf.float32,
        strategy=context.strategy,
        replicas=count,
        compiled=context.config.compile_mode,
        fold_batch_norm=context.config.fold_batch_norm,
    )
    places = np.arange(feature_computation.BATCH * count) % len(context.source.train)
    pixels = context.images["train"].take(places)
    drawn = augmentation.view_seeds(context.source.train.digests[places], places)
    return _median_seconds(lambda number: compute(pixels, drawn), context.stop)


def _median_seconds(once: Callable[[int], Any], stop: StopRequest) -> float:
    taken = []
    for number in stop.between(range(_WARM_UP + _MEASURED)):
        began = time.perf_counter()
        once(number)
        taken.append(time.perf_counter() - began)
    return float(np.median(taken[_WARM_UP:]))


def _estimate(
    config: TrainConfig,
    source: Source,
    divided: Division,
    run_dir: RunDir,
    devices: tf.distribute.Strategy,
    stop: StopRequest,
    request: Request,
) -> dict[str, Any]:
    """The scores of heads on the features of the images as they are."""
    training = dataclasses.replace(config.training, feature_views=0, head_solver="sgd")
    config = dataclasses.replace(config, phase="estimate", training=training, augment=AugmentConfig(augment=False))
    _, divided, found = estimate.found(config, run_dir, devices=devices, stop=stop, source=source)
    numbers = range(len(divided.folds))
    return _judged({choice.START: found.left_out}, divided, numbers, monitor=config.training.monitored)


def _folds(
    config: TrainConfig,
    source: Source,
    divided: Division,
    run_dir: RunDir,
    devices: tf.distribute.Strategy,
    stop: StopRequest,
    request: Request,
) -> dict[str, Any]:
    """Trains as many folds as are asked for, and what the candidate that is best on them scores."""
    context = opened(make_context(config, source, run_dir, devices, stop=stop), config)
    order = seeds.generator(config.seed, "search").permutation(len(divided.folds))
    numbers, last = [int(number) for number in order[: request.folds]], context.config.phases[-1].name
    cross_validation.train_folds(context, divided.folds, numbers, config.data, command_line=sys.argv)
    scored = cross_validation.scores(last, context, divided, numbers, all_epochs=True)
    return _judged(scored, divided, numbers, monitor=context.config.monitor)


def _judged(
    scored: Mapping[Candidate, Evaluation], divided: Division, numbers: Sequence[int], *, monitor: str
) -> dict[str, Any]:
    """What candidates score on the images that the folds in `numbers` leave out, and which is best, as JSON values."""
    parts = divided.parts(numbers)
    seen = np.logical_or.reduce(list(parts.values()))
    parts = {name: part[seen] for name, part in parts.items()}
    scored = {candidate: Evaluation(judged.logits[seen], judged.labels[seen]) for candidate, judged in scored.items()}
    groups = divided.groups if seen.all() else None
    values = choice.choose(scored, monitor=monitor, groups=groups, folds=list(parts.values()))
    scores = {candidate: choice.by_part(judged, parts, monitor) for candidate, judged in scored.items()}
    return {
        "folds": len(numbers),
        "scores": scores[choice.chosen(values)],
        "metrics": values,
        "candidates": {_in_words(candidate): each for candidate, each in scores.items()},
    }


def _in_words(candidate: Candidate) -> str:
    average = "" if candidate.ema_decay is None else f", EMA {candidate.ema_decay:g}"
    share = "" if candidate.alpha == 1 else f", {candidate.alpha:.0%} of the way"
    return f"epoch {candidate.epoch}{average}{share}"


_JOBS = {"speed": _speed, "estimate": _estimate, "folds": _folds}

if __name__ == "__main__":
    sys.exit(main(sys.argv))
