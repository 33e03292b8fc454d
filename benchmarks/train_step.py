"""How many pictures a second does a training step take? `python -m benchmarks.train_step`

VGG16 at 224x224 with the notebook's head, both phases, in float32 and in the precision this machine is
fastest in, on a batch that already rests on the device: no input pipeline in the way. Ten steps of each.
"""

import sys

import numpy as np
import tensorflow as tf

from benchmarks import results_file, timing
from flags import benchmark
from ftdata.augment import Augmentation
from ftdata.config import AugmentConfig
from trainers import model, optimizer, phases, precision, record, strategy
from trainers.config import ModelConfig, TrainConfig, TrainingConfig
from trainers.step import TrainStep

_BATCH, _SIDE = 20, 224
_CONFIG = TrainConfig(
    model=ModelConfig(
        "VGG16", weights="none", preprocessing="rescale", pooling="flatten", dense_units=1024, dropout=0.5
    ),
    training=TrainingConfig(unfreeze=("block4", "block5")),
)
_AUGMENT = AugmentConfig(
    rotation_range=180.0,
    width_shift_range=0.1,
    height_shift_range=0.1,
    shear_range=0.1,
    zoom_range=(0.9, 1.5),
    horizontal_flip=True,
    vertical_flip=True,
)


def main(argv: list[str]) -> None:
    """Measures every phase and precision in turn and prints the table."""
    flags = benchmark.parse(argv)
    devices = strategy.create("one_device")
    policies = dict.fromkeys(("float32", precision.resolve("auto", on_gpu=strategy.runs_on_gpu(devices))))
    contenders = {
        f"{phase}, {policy}": timing.Contender(_step(phases.PHASES[phase], policy, devices), images=_BATCH)
        for phase in ("transfer", "finetune")
        for policy in policies
    }
    measured = timing.rates(contenders, repeats=2 if flags.quick else 10, warmup=1, least_seconds=0.0)
    results_file.publish(
        timing.rows(measured, baseline="transfer, float32", batch_size=_BATCH),
        question="A training step of VGG16",
        left_out="Augmentation is included; reading and decoding are left out.",
        json_file=flags.json,
    )


def _step(phase: phases.Phase, policy: str, devices: tf.distribute.Strategy):
    with devices.scope():
        network = model.build(_CONFIG.model, num_classes=3, image_size=_SIDE, policy=policy)
        phases.set_trainable(network, phase, _CONFIG)
        adjust = optimizer.create(_CONFIG.training, policy=policy)
        adjust.build(network.trainable_variables)
    step = TrainStep(
        network,
        adjust,
        strategy=devices,
        augmentation=Augmentation(_AUGMENT, seed=0),
        global_batch=_BATCH,
        label_smoothing=0.0,
        compiled=record.what_to_compile("auto", on_gpu=strategy.runs_on_gpu(devices)),
    )
    pixels = np.random.default_rng(0).integers(0, 256, (_BATCH, _SIDE, _SIDE, 3), np.uint8)
    batch = {
        "image": tf.constant(pixels),
        "slot": tf.range(_BATCH),
        "label": tf.range(_BATCH) % 3,
        "weight": tf.ones(_BATCH),
    }
    counter = iter(range(10**9))
    return lambda: step(batch, step=next(counter), learning_rate=1e-5).numpy()


if __name__ == "__main__":
    main(sys.argv)
