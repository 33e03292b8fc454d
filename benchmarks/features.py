"""What do features save that are computed once? `python -m benchmarks.features`

Training on images, which are augmented and go through the whole network at every step, against training on features of
a few views of each image, which begins at the first layer that trains. Both read out of memory. Filling is what the
features cost, once: every view of every image, augmented and through the frozen part of the network.
"""

import functools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness import timing
from benchmarks.harness.images import gather
from benchmarks.harness.networks import NETWORK_FLAGS, Network, chosen
from benchmarks.harness.results import publish
from benchmarks.harness.timing import Row
from benchmarks.sides import ours
from benchmarks.sides.features import FILLED, Features
from flags import benchmark
from ftdata.sources.source import Source, load_folder
from trainers.models import bfloat16
from trainers.models.cut import cut
from trainers.models.precision import resolve_precision
from trainers.runtime.devices import distribute, make_strategy, runs_on_gpu
from trainers.training.step import TrainStep

EXCLUDED = (
    "Augmentation (where a step begins with images), weighting and the update are included; validation, checkpoints "
    "and the first epoch (decoding) are not. kib per image: what a step reads of each."
)
PHASES = ("transfer", "finetune")
_VIEWS, _TOGETHER = 2, 8  # views of an image; steps in one call
_ENDLESS = 1_000_000  # steps


def main(argv: list[str]) -> None:
    """Measures both phases of every network and prints the table."""
    flags = benchmark.parse(argv, "image_dir", *NETWORK_FLAGS, "phase", "precision", "jit_compile")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, benchmark.one_line_errors():
        if flags.phase and flags.phase not in PHASES:
            raise ValueError(f"--phase must be one of {', '.join(PHASES)}, got {flags.phase!r}")
        networks = chosen(flags)
        gather(flags.image_dir, Path(name), count=48 if flags.quick else 512)
        source = load_folder(name, validation_fraction=0.0)
        for network in networks:
            for phase in [flags.phase] if flags.phase else PHASES:
                rows += _measured(network, phase, source, flags)
    publish(rows, question="Features computed once", excluded=EXCLUDED, json_file=flags.json)


def _measured(network: Network, phase: str, source: Source, flags: Any) -> list[Row]:
    """The rows of one phase; none where it trains from the first layer on, which is said."""
    devices = make_strategy("one_device")
    suits = bfloat16.suits(network.model.backbone, is_folded=True)
    policy = flags.precision or resolve_precision("auto", on_gpu=runs_on_gpu(devices), suits_bfloat16=suits)
    options: dict[str, Any] = {"policy": policy, "jit_compile": flags.jit_compile or "auto"}
    live = ours.train_step(network, phase, devices=devices, num_classes=len(source.class_names), **options)
    parts = cut(live.model)
    if parts is None:
        print(f"{network.name}, {phase}: trains from the first layer on, so there are no features", file=sys.stderr)
        return []
    kept = Features(live, parts, source, network, views=_VIEWS, **options)
    images = ours.read(source, network, tier="memory")
    ways: dict[str, tuple[TrainStep, Callable[[int, int], tf.data.Dataset], int]] = {
        "images": (live, images, 1),
        f"images, {_TOGETHER} steps a call": (live, images, _TOGETHER),
        "features": (kept.step, kept.batches, 1),
        f"features, {_TOGETHER} steps a call": (kept.step, kept.batches, _TOGETHER),
    }
    contenders = {way: _steps(*of_way, network.batch_size, quick=flags.quick) for way, of_way in ways.items()}
    contenders["filling"] = timing.Contender(kept.fill, images=FILLED)
    measured = timing.rates(
        contenders, repeats=2 if flags.quick else 5, warmup=1, least_seconds=0.0 if flags.quick else 0.5
    )
    rows = timing.rows(measured, baseline="images", batch_size=network.batch_size)
    for row in rows:
        size = kept.row_bytes if row["name"].startswith("features") else network.image_size**2 * 3
        row |= {"name": f"{network.name}, {phase}, {policy}: {row['name']}", "kib_per_image": size / 1024}
    return rows


def _steps(
    step: TrainStep,
    batches: Callable[[int, int], tf.data.Dataset],
    together: int,
    size: int,
    *,
    quick: bool,
) -> timing.Contender:
    """Steps of about a second, `together` of them a call; tried first, which also compiles."""
    line = iter(distribute(step.strategy, batches(0, _ENDLESS)))  # started once, as in training

    def run(calls: int) -> None:
        steps, results = calls * together, []
        for first in range(0, steps, together):
            part = [next(line) for _ in range(together)]
            results = step.several(part, first=first, learning_rates=[1e-5] * together)
        results[-1].numpy()

    run(1)
    start = time.perf_counter()
    run(1)
    calls = 1 if quick else int(np.clip(1.0 / (time.perf_counter() - start), 1, 400))
    return timing.Contender(functools.partial(run, calls), images=calls * together * size)


if __name__ == "__main__":
    main(sys.argv)
