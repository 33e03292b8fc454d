"""A trial of a search, in a process of its own: `python -m trainers.commands.trial REQUEST.json`

So that no trial keeps memory of another, and none ends the search. The process ends with the one that started it, which
holds the other end of its standard input.
"""

import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
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
from trainers.config import PHASES, TrainConfig, from_dict
from trainers.folds import choice, frozen
from trainers.folds.division import Division
from trainers.rundir import lock
from trainers.rundir.run_dir import RunDir, read_json, write_json
from trainers.runtime.devices import runs_on_gpu
from trainers.runtime.launcher import launch
from trainers.runtime.signals import Interrupted, StopRequest, on_signals
from trainers.search import trial_process
from trainers.training import feature_computation, phase_model, phase_step
from trainers.training.context import RunContext

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
    try:
        with on_signals() as stop, launch(config.runtime) as (_, devices), lock.only_writer(run_dir.root):
            with stop.deferred():
                found = _JOBS[request.job](config, run_dir, devices, stop, request)
            write_json(Path(request.result), found)
    except Interrupted as signal:
        return signal.exit_status
    except (UserError, OSError) as error:
        print(f"error: {error}", flush=True)
        return trial_process.USER_ERROR
    return 0


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def _data(config: TrainConfig, *, on_gpu: bool, run_dir: RunDir) -> tuple[TrainConfig, Source, Division]:
    config = resolution.settle(config, run_dir, on_gpu=on_gpu)
    source = open_data(config, config.data).pooled()
    return config, source, Division.of(source, config.data, config.training.folds)


def _speed(
    config: TrainConfig, run_dir: RunDir, devices: tf.distribute.Strategy, stop: StopRequest, request: Request
) -> dict[str, Any]:
    """Seconds an image in a training step of all layers and in the frozen part, on a few of the images."""
    config, source, divided = _data(config, on_gpu=runs_on_gpu(devices), run_dir=run_dir)
    context = make_context(config, source, run_dir, devices, stop=stop)
    batch, whole = config.training.batch_size, source.train
    chosen = np.zeros(len(whole), bool)
    chosen[seeds.generator(config.seed, "samples").permutation(len(whole))[: 2 * batch]] = True
    some = whole.subset(chosen)
    images = {"train": tiers.open_split(some, config.data, tier="memory")}
    context = dataclasses.replace(context, source=dataclasses.replace(source, train=some), images=images)
    step_s = _step_seconds(context)
    setup_s = time.time() - request.started - (_WARM_UP + _MEASURED) * step_s
    return {
        "images": len(whole),
        "folds": len(divided.folds),
        "test_images": len(source.test),
        "step_s": step_s / batch,
        "setup_s": setup_s,
        "forward_s": _forward_seconds(context) / feature_computation.BATCH / context.shard.count,
    }


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
    config: TrainConfig, run_dir: RunDir, devices: tf.distribute.Strategy, stop: StopRequest, request: Request
) -> dict[str, Any]:
    """The scores of heads on the features of the images as they are."""
    training = dataclasses.replace(config.training, feature_views=0, head_solver="sgd")
    config = dataclasses.replace(config, phase="estimate", training=training, augment=AugmentConfig(augment=False))
    context, divided, found = estimate.found(config, run_dir, devices=devices, stop=stop)
    values = choice.choose(
        {choice.START: found.left_out},
        monitor=context.config.monitor,
        groups=divided.groups,
        folds=[fold.left_out for fold in divided.folds],
    )
    scores = choice.by_part(found.left_out, divided.parts(range(len(divided.folds))), context.config.monitor)
    return {"folds": len(divided.folds), "scores": scores, "metrics": values}


def _folds(
    config: TrainConfig, run_dir: RunDir, devices: tf.distribute.Strategy, stop: StopRequest, request: Request
) -> dict[str, Any]:
    """Trains as many folds as are asked for, and what the candidate that is best on them scores."""
    config, source, divided = _data(config, on_gpu=runs_on_gpu(devices), run_dir=run_dir)
    context = opened(make_context(config, source, run_dir, devices, stop=stop), config)
    order = seeds.generator(config.seed, "search").permutation(len(divided.folds))
    numbers, last = [int(number) for number in order[: request.folds]], context.config.phases[-1].name
    cross_validation.train_folds(context, divided.folds, numbers, config.data, command_line=sys.argv)
    parts = divided.parts(numbers)
    seen = np.logical_or.reduce(list(parts.values()))
    scored = {
        candidate: dataclasses.replace(judged, logits=judged.logits[seen], labels=judged.labels[seen])
        for candidate, judged in cross_validation.scores(last, context, divided, numbers, all_epochs=True).items()
    }
    parts = {name: part[seen] for name, part in parts.items()}
    monitor = context.config.monitor
    values = choice.choose(
        scored,
        monitor=monitor,
        groups=divided.groups if seen.all() else None,
        folds=list(parts.values()),
    )
    scores = choice.by_part(scored[choice.chosen(values)], parts, monitor)
    return {"folds": len(numbers), "scores": scores, "metrics": values}


_JOBS = {"speed": _speed, "estimate": _estimate, "folds": _folds}

if __name__ == "__main__":
    sys.exit(main(sys.argv))
