"""What does LoRA save? `python -m benchmarks.lora`

Steps of fine-tuning with LoRA (`--lora_rank=8`, the usual layers; of MobileNetV2 `*_project`) against those that train
every kernel, each in a process of its own, so that its peak of resident memory is its own; round by round in turn.
"""

import functools
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness import memory, process, timing
from benchmarks.harness.networks import NETWORK_FLAGS, Network, create
from benchmarks.harness.results import publish
from benchmarks.harness.timing import Row
from benchmarks.sides import ours
from flags import benchmark
from ftdata.pipeline import Batch
from trainers.config import ModelConfig
from trainers.runtime.devices import make_strategy

_RANK, _CLASSES, _STEPS = 8, 3, 2
_TARGETS = {"MobileNetV2": ("*_project",)}
_TRANSFORMER = "ViT-S/16"
EXCLUDED = (
    "The batch rests on the device; augmentation and the update are included. trained: parameters that train, of which "
    "the head has few. built MiB: resident memory once the network and the optimizer's state are there, TensorFlow "
    f"included; peak MiB: the most after all steps. {_TRANSFORMER}: 12 blocks, 384 wide, 6 heads, random weights."
)


class Side:
    """The steps of one network, in a process of its own.

    Args:
      network: what is trained, from random weights.
      rank: of LoRA; 0 trains all kernels.
      policy: dtype policy.
    """

    def __init__(self, network: Network, rank: int, policy: str):
        keras.utils.set_random_seed(0)
        devices = make_strategy("one_device")
        targets = _TARGETS.get(network.model.backbone) if rank else None
        self._step = ours.train_step(
            network,
            "finetune",
            policy=policy,
            jit_compile="auto",
            devices=devices,
            num_classes=_CLASSES,
            lora_rank=rank,
            lora_targets=targets,
        )
        self._batch, self._built = _batch(network), memory.now()

    def run(self, steps: int) -> None:
        """Trains so many steps."""
        results = [self._step(self._batch, step=number, learning_rate=1e-5) for number in range(steps)]
        results[-1].numpy()

    def about(self) -> Row:
        """Further columns: how many parameters train, and memory in MiB."""
        trained = sum(int(np.prod(variable.shape)) for variable in self._step.model.trainable_variables)
        peak = {name: value for name, value in memory.now().items() if name.startswith("peak")}
        named = {f"{name.removesuffix('_rss_mib').removesuffix('_mib')}_MiB": value for name, value in peak.items()}
        return {"trained": f"{trained:,}", "built_MiB": self._built["rss_mib"], **named}


def main(argv: list[str]) -> None:
    """Measures both ways of each network and prints the table."""
    flags = benchmark.parse(argv, *NETWORK_FLAGS, "precision")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, benchmark.one_line_errors():
        policy = flags.precision or "float32"
        if flags.backbone:
            networks = [create(flags.backbone, flags)]
        else:
            networks = [create("MobileNetV2", flags), transformer(Path(name), quick=flags.quick)]
        for network in networks:
            rows += _rows(network, policy, repeats=2 if flags.quick else 7)
    publish(rows, question="Fine-tuning with LoRA", excluded=EXCLUDED, json_file=flags.json)


def _rows(network: Network, policy: str, *, repeats: int) -> list[Row]:
    names = {f"{network.name}, {policy}, all kernels": 0, f"{network.name}, {policy}, LoRA of rank {_RANK}": _RANK}
    with process.start_all({name: (Side, network, rank, policy) for name, rank in names.items()}) as sides:
        measured = timing.rates(
            {
                name: timing.Contender(functools.partial(side.call, "run", _STEPS), images=_STEPS * network.batch_size)
                for name, side in sides.items()
            },
            repeats=repeats,
            least_seconds=2.0,
        )
        rows = timing.rows(measured, baseline=next(iter(sides)), batch_size=network.batch_size)
        return [{**row, **sides[row["name"]].call("about")} for row in rows]


def transformer(folder: Path, *, quick: bool = False) -> Network:
    """A vision transformer of the size S (Touvron et al., 2021, arXiv:2012.12877), saved; a small one for a trial."""
    side, width, blocks, heads = (64, 48, 2, 2) if quick else (224, 384, 12, 6)
    inputs = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = keras.layers.Conv2D(width, 16, strides=16, name="patches")(x)
    x = keras.layers.Reshape((-1, width), name="tokens")(x)
    for number in range(blocks):
        normed = keras.layers.LayerNormalization(epsilon=1e-6)(x)
        attention = keras.layers.MultiHeadAttention(heads, width // heads, name=f"block{number}_attention")
        x = keras.layers.Add()([x, attention(normed, normed)])
        normed = keras.layers.LayerNormalization(epsilon=1e-6)(x)
        wide = keras.layers.Dense(4 * width, activation="gelu", name=f"block{number}_expand")(normed)
        x = keras.layers.Add()([x, keras.layers.Dense(width, name=f"block{number}_project")(wide)])
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization(epsilon=1e-6)(x))
    path = folder / "transformer.keras"
    keras.Model(inputs, x, name="transformer").save(path)
    config = ModelConfig(str(path), dropout=0.0)
    name = f"{blocks} blocks of a transformer" if quick else _TRANSFORMER
    return Network(f"{name} {side}x{side}", config, side, ("all",), 8)


def _batch(network: Network) -> Batch:
    size, side = network.batch_size, network.image_size
    drawn = np.random.default_rng(0).integers(0, 256, (size, side, side, 3), np.uint8)
    return {
        "image": tf.constant(drawn),
        "label": tf.constant(np.arange(size, dtype=np.int32) % _CLASSES),
        "weight": tf.ones(size),
        "slot": tf.range(size),
    }


if __name__ == "__main__":
    main(sys.argv)
