"""Where does the time of a training step go? `python -m benchmarks.operations`

The step on a batch that rests on the device, traced by TensorFlow's profiler: the share of each kind of operation in
the time of all. On a CPU; a GPU runs its kernels elsewhere (`--profile_steps` of the trainer shows those).
"""

import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.harness import timing, trace
from benchmarks.harness.images import gather
from benchmarks.harness.networks import NETWORK_FLAGS, Network, create
from benchmarks.harness.results import publish
from benchmarks.harness.timing import Row
from benchmarks.sides import ours
from flags import benchmark
from ftdata.sources.source import Source, load_folder
from trainers.runtime.devices import make_strategy, runs_on_gpu

_NETWORKS = ("MobileNetV2", "EfficientNetLite0", "ResNet50", "EfficientNetV2B0")
_PHASES = ("transfer", "finetune")
_ROUNDS, _LEAST_S = 5, 1.0
EXCLUDED = (
    "Augmentation (XLA) and the update are included. Shares are of the time of all operations, which run beside each "
    "other on several cores; other is what none of the columns names."
)
# a column -> the types of operations in it; the first that matches counts
_KINDS = {
    "depthwise": r"DepthwiseConv2dNative",
    "depthwise gradient": r"DepthwiseConv2dNativeBackprop\w*",
    "convolution": r"Conv2D",
    "convolution gradient": r"Conv2DBackprop\w*",
    "product": r"(Batch)?MatMul(V2)?",
    "normalization": r"BatchNorm\w*",
    "activation": r"Relu6?|Sigmoid|Swish|Elu|Tanh",
    "activation gradient": r"\w*(Relu|Relu6|Sigmoid|Swish|Elu|Tanh)Grad",
    "arithmetic": r"Mul|AddV2|AddN|Sub|RealDiv|Rsqrt|Sqrt|Square|SquaredDifference|Maximum|Minimum|Neg|Exp|SelectV2",
    "sums": r"Sum|Mean|Max|BiasAddGrad|MaxPool\w*|AvgPool\w*",
    "copies": r"Transpose|Pad(V2)?|\w*Slice\w*|Concat\w*|Cast|Tile|Pack|ToTf",
    "update": r"Resource\w*|Assign\w*",
    "XLA": r"CpuExecutable",
}


def main(argv: list[str]) -> None:
    """Traces the steps of every network and prints the table."""
    flags = benchmark.parse(argv, "image_dir", *NETWORK_FLAGS, "phase", "precision")
    devices = make_strategy("one_device")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, benchmark.one_line_errors():
        if runs_on_gpu(devices):
            raise ValueError("benchmarks.operations traces a CPU: hide the GPU with CUDA_VISIBLE_DEVICES=-1")
        if flags.phase and flags.phase not in _PHASES:
            raise ValueError(f"--phase must be one of {', '.join(_PHASES)}, got {flags.phase!r}")
        names = [flags.backbone] if flags.backbone else _NETWORKS[: 1 if flags.quick else None]
        networks = [create(name, flags) for name in names]
        gather(flags.image_dir, Path(name), count=48)
        source = load_folder(name, validation_fraction=0.0)
        for network in networks:
            for phase in [flags.phase] if flags.phase else _PHASES:
                rows.append(_traced(network, phase, source, devices, flags))
    publish(rows, question="Where the time of a step goes", excluded=EXCLUDED, json_file=flags.json)


def _traced(network: Network, phase: str, source: Source, devices: tf.distribute.Strategy, flags: Any) -> Row:
    policy = flags.precision or "float32"
    classes = len(source.class_names)
    step = ours.train_step(network, phase, policy=policy, jit_compile="auto", devices=devices, num_classes=classes)
    batch = next(iter(ours.read(source, network, tier="memory")(0, 1)))

    def run(steps: int) -> None:
        results = [step(batch, step=number, learning_rate=1e-5) for number in range(steps)]
        results[-1].numpy()

    run(2)
    start = time.perf_counter()
    run(1)
    steps = 1 if flags.quick else int(np.clip(_LEAST_S / (time.perf_counter() - start), 1, 100))
    name = f"{network.name}, {phase}, {policy}"
    contender = timing.Contender(lambda: run(steps), images=steps * network.batch_size)
    measured = timing.rates({name: contender}, repeats=2 if flags.quick else _ROUNDS, warmup=1, least_seconds=0.0)
    row = timing.rows(measured, baseline=name, batch_size=network.batch_size)[0]
    return row | shares(trace.seconds_by_operation(lambda: run(steps)))


def shares(seconds: dict[str, float]) -> dict[str, float]:
    """The share of each kind in the time of all operations, the kinds in their order and `other`."""
    found = dict.fromkeys((*_KINDS, "other"), 0.0)
    for operation, value in seconds.items():
        kind = next((kind for kind, types in _KINDS.items() if re.fullmatch(types, operation)), "other")
        found[kind] += value / sum(seconds.values())
    return found


if __name__ == "__main__":
    main(sys.argv)
