"""How many images per second does a training step take? `python -m benchmarks.train_step`

Each step is measured on a batch that already rests on the device, and on batches that come through the input
pipeline out of the cache: the difference is what the input costs. The share of the device's peak is the model's
arithmetic (benchmarks/flops.py) against a large matrix product in the same precision, measured in the same rounds.
The forward pass alone is measured too, and with `--peer_python` the same in PyTorch.
"""

import functools
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness import flops, timing
from benchmarks.harness.images import gather
from benchmarks.harness.networks import NETWORK_FLAGS, Network, chosen
from benchmarks.harness.results import publish
from benchmarks.harness.timing import Row
from benchmarks.sides import ours, peer
from flags import benchmark
from ftdata.sources.source import Source, load_folder
from trainers.models import folding
from trainers.models.precision import resolve_precision
from trainers.runtime.devices import distribute, make_strategy, runs_on_gpu
from trainers.training.step import TrainStep

EXCLUDED = (
    "Augmentation, weighting and the update are included; validation, checkpoints and the first epoch (decoding) are "
    "not. gflop is the model's arithmetic per image, forward and in training backward; of peak its share of what a "
    "matrix product reaches (a library that convolves with fewer multiplications, as Winograd does, may pass it). "
    "Forward is evaluation: the scores of a batch, without augmentation. first call s: seconds of the first step, "
    "which traces and compiles."
)
_STEP_FLAGS = ("phase", "precision", "jit_compile", "fold_batch_norm", "peer_python")
_ENDLESS = 1_000_000  # steps
_RESIDENT, _PIPELINE = "batch on the device", "through the pipeline"


def main(argv: list[str]) -> None:
    """Measures every network, phase, precision and input in turn and prints the table."""
    flags = benchmark.parse(argv, "image_dir", *NETWORK_FLAGS, *_STEP_FLAGS)
    devices = make_strategy("one_device")
    on_gpu = runs_on_gpu(devices)
    policies = [flags.precision] if flags.precision else _policies(on_gpu)
    rows: list[Row] = []
    excluded = EXCLUDED
    with (
        tempfile.TemporaryDirectory() as name,
        benchmark.one_line_errors(),
        peer.start(flags.peer_python, on_gpu=on_gpu) as torch,
    ):
        networks = chosen(flags)
        if torch:
            for network in networks:
                peer.counterpart(network)  # says now that there is none
            excluded += " " + peer.EXCLUDED.format(**torch.about)
        gather(flags.image_dir, Path(name), count=48 if flags.quick else 512)
        source = load_folder(name, validation_fraction=0.0)
        for network in networks:
            measured = _Measurement(network, source, devices, quick=flags.quick)
            for phase in [flags.phase] if flags.phase else ("transfer", "finetune", "forward"):
                for policy in policies:
                    for fold in [flags.fold_batch_norm] if flags.fold_batch_norm else ("false", "true"):
                        measured.add(phase, policy, flags.jit_compile or ("true" if on_gpu else "auto"), fold)
                    if torch:
                        measured.add_peer(torch, phase, policy)
            rows += measured.rows(policies)
    publish(rows, question="A training step", excluded=excluded, json_file=flags.json)


def _policies(on_gpu: bool) -> list[str]:
    return list(dict.fromkeys(("float32", resolve_precision("auto", on_gpu=on_gpu, suits_bfloat16=True))))


class _Measurement:
    """The steps of one network, measured together; the first is the baseline."""

    def __init__(self, network: Network, source: Source, devices: tf.distribute.Strategy, *, quick: bool):
        self.network, self.source, self.devices, self.quick = network, source, devices, quick
        self.contenders: dict[str, timing.Contender] = {}
        self.policy: dict[str, str] = {}
        self.flop: dict[str, int] = {}
        self.flop_of: dict[str, int] = {}  # by phase
        self.first_call: dict[str, float] = {}  # seconds
        self.batches = ours.read(source, network, tier="memory")

    def add(self, phase: str, policy: str, jit_compile: str, fold_batch_norm: str) -> None:
        """Builds the step and adds it with both inputs; `forward` with the batch in place alone.

        Nothing is added where nothing can be folded.
        """
        options: dict[str, Any] = {"policy": policy, "jit_compile": jit_compile, "fold_batch_norm": fold_batch_norm}
        options |= {"devices": self.devices, "num_classes": len(self.source.class_names)}
        batch = {name: tf.identity(value) for name, value in next(iter(self.batches(0, 1))).items()}
        compiled = {"true": ", XLA", "false": ", no XLA"}.get(jit_compile, "")
        folded = ", folded" if fold_batch_norm == "true" else ""
        name = f"{self.network.name}, {phase}, {policy}{compiled}{folded}"
        if phase == "forward":
            model, forward = ours.forward(self.network, **options)
            if folded and not folding.count(model):
                return
            self.flop_of[phase] = flops.forward(model)
            steps = self._steps(f"{name}, {_RESIDENT}", lambda: _look(forward, batch["image"], 1))
            self._add(f"{name}, {_RESIDENT}", lambda: _look(forward, batch["image"], steps), steps, phase, policy)
            return
        step = ours.train_step(self.network, phase, **options)
        if folded and not folding.count(step.model):
            return
        self.flop_of[phase] = flops.training(step.model)
        steps = self._steps(f"{name}, {_RESIDENT}", lambda: _run(step, [batch]))
        line = iter(distribute(self.devices, self.batches(0, _ENDLESS)))  # started once, as in training
        self._add(f"{name}, {_RESIDENT}", lambda: _run(step, [batch] * steps), steps, phase, policy)
        self._add(f"{name}, {_PIPELINE}", lambda: _run(step, itertools.islice(line, steps)), steps, phase, policy)

    def add_peer(self, torch: peer.Peer, phase: str, policy: str) -> None:
        """Adds the same in PyTorch, after `add`; a compilation that fails is said and skipped."""
        num_classes = len(self.source.class_names)
        for way, compiled in (("PyTorch eager", False), ("PyTorch compiled", True)):
            name = f"{self.network.name}, {phase}, {policy}, {way}, {_RESIDENT}"
            try:
                run = torch.build(self.network, phase, policy=policy, compiled=compiled, num_classes=num_classes)[0]
            except ValueError as error:
                if not compiled:
                    raise
                print(f"{name} is skipped: {error}", file=sys.stderr)
                continue
            steps = self._steps(name, functools.partial(run, 1))
            self._add(name, functools.partial(run, steps), steps, phase, policy)

    def _add(self, name: str, call: Callable[[], None], steps: int, phase: str, policy: str) -> None:
        self.contenders[name] = timing.Contender(call, images=steps * self.network.batch_size)
        self.policy[name], self.flop[name] = policy, self.flop_of[phase]

    def _steps(self, name: str, one: Callable[[], None]) -> int:
        """How many steps take about a second (in a trial, two); notes how long the first takes."""
        start = time.perf_counter()
        one()
        self.first_call[name] = time.perf_counter() - start
        start = time.perf_counter()
        one()
        return 2 if self.quick else int(np.clip(1.0 / (time.perf_counter() - start), 2, 200))

    def rows(self, policies: list[str]) -> list[Row]:
        """Measures; the rows, each with its arithmetic and its share of the peak."""
        on_gpu = runs_on_gpu(self.devices)
        size = {"side": 1024 if self.quick else 8192 if on_gpu else 4096, "products": 50 if on_gpu else 1}
        peaks = {f"peak {policy}": flops.matrix_product(policy, **size) for policy in policies}
        repeats = 2 if self.quick else 5
        measured = timing.rates(self.contenders | peaks, repeats=repeats, warmup=1, least_seconds=0.0)
        of_peak = shares(measured, self.flop, {name: f"peak {policy}" for name, policy in self.policy.items()})
        steps = {name: measured[name] for name in self.contenders}
        rows = timing.rows(steps, baseline=next(iter(steps)), batch_size=self.network.batch_size)
        for row in rows:
            row |= {"gflop": self.flop[row["name"]] / 1e9, "of_peak": of_peak[row["name"]]}
            row["peak_gflop_per_second"] = float(np.median(measured[f"peak {self.policy[row['name']]}"]))
            row["first_call_s"] = self.first_call.get(row["name"])
        return rows


def shares(measured: dict[str, np.ndarray], flop: dict[str, int], peak_of: dict[str, str]) -> dict[str, float]:
    """Model FLOP utilisation: the median over the rounds of images/s * FLOP per image / peak FLOP/s."""
    return {
        name: float(np.median(measured[name] * count / (measured[peak_of[name]] * 1e9))) for name, count in flop.items()
    }


def _run(step: TrainStep, batches: Any) -> None:
    results = [step(batch, step=number, learning_rate=1e-5) for number, batch in enumerate(batches)]
    results[-1].numpy()


def _look(forward: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, steps: int) -> None:
    results = [forward(images) for _ in range(steps)]
    results[-1].numpy()


if __name__ == "__main__":
    main(sys.argv)
