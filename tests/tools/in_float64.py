"""100 training steps in float64 on logical devices or workers, to tell summation order from a fault.

python -m tests.tools.in_float64 --image_dir=FOLDER --work=FOLDER [--optimizer=adam --rate=1e-3 --backbone=MobileNetV2]

Batch normalization trains where the backbone has it: all start from random weights but vgg_nano.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests import ROOT
from tests.tools.workers import free_ports, tf_config

_STEPS, _BATCH, _SIDE = 100, 12, 32
LAYOUTS = {"1 process": (1, 1), "2 devices": (2, 1), "4 devices": (4, 1), "2 workers": (1, 2), "3 workers": (1, 3)}


def train(
    image_dir: str, out: Path, *, devices: int, worker: int, workers: int, optimizer: str, rate: float, backbone: str
) -> None:
    """Trains a classifier in this process, one of `workers`; saves the loss of each step and the weights."""
    import keras
    import tensorflow as tf

    logical = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], logical)
    if workers > 1:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        strategy = tf.distribute.MirroredStrategy([f"CPU:{k}" for k in range(devices)])

    from ftdata import pipeline
    from ftdata.augment.augmentation import Augmentation
    from ftdata.cache.tiers import open_split
    from ftdata.config import AugmentConfig, DataConfig
    from ftdata.sources.source import open_source
    from trainers.config import PHASES, ModelConfig, TrainingConfig
    from trainers.models.classifier import build_classifier
    from trainers.models.trainable import set_trainable
    from trainers.runtime.compilation import COMPILE_AUGMENTATION
    from trainers.training.optimizer import make_optimizer
    from trainers.training.step import TrainStep

    keras.config.set_floatx("float64")
    keras.utils.set_random_seed(0)
    data = DataConfig(image_dir=image_dir, image_size=_SIDE, data_dir=str(out.parent / "data"))
    source = open_source(data)
    settings = TrainingConfig(optimizer=optimizer, gradient_clip_norm=1.0, label_smoothing=0.1)
    model = ModelConfig(backbone=backbone, weights="objects" if backbone == "vgg_nano" else "none", dropout=0.0)
    total = strategy.num_replicas_in_sync
    with strategy.scope():
        network = build_classifier(model, num_classes=len(source.class_names), image_size=_SIDE, policy="float64")
        set_trainable(network, PHASES["pretrain"], model, replicas=total)
        optimizer = make_optimizer(settings, policy="float32")
        optimizer.build(network.trainable_variables)
    step = TrainStep(
        network,
        optimizer,
        strategy=strategy,
        augmentation=Augmentation(AugmentConfig(), seed=0),
        global_batch=_BATCH,
        label_smoothing=settings.label_smoothing,
        compiled=COMPILE_AUGMENTATION,
    )
    shard = pipeline.Shard(first=worker * devices, count=devices, total=total)
    batches = pipeline.for_training(
        open_split(source.train, data, tier="memory"),
        source.train.labels,
        class_weights=np.linspace(0.5, 1.5, len(source.class_names)).astype(np.float32),
        global_batch=_BATCH,
        seed=0,
        steps=(0, _STEPS),
        shard=shard,
    )
    line = iter(strategy.distribute_datasets_from_function(lambda _: batches))
    results = [step(next(line), step=k, learning_rate=rate).numpy() for k in range(_STEPS)]
    assert results[0].dtype == np.float64
    if worker == 0:
        weights = {f"weights/{k:03}": variable.numpy() for k, variable in enumerate(network.weights)}
        assert {value.dtype for value in weights.values()} == {np.dtype(np.float64)}
        np.savez(out, losses=np.array(results)[:, 0], **weights)


def run(
    layout: str, image_dir: Path, work: Path, *, optimizer: str, rate: float, backbone: str
) -> dict[str, np.ndarray]:
    """Trains in processes of their own; what the first has saved."""
    devices, workers = LAYOUTS[layout]
    work.mkdir(parents=True, exist_ok=True)
    out = work / f"{layout.replace(' ', '-')}.npz"
    context = {"image_dir": str(image_dir), "out": str(out), "devices": devices, "workers": workers}
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    processes = []
    for worker in range(workers):
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        if workers > 1:
            environment |= {"TF_CONFIG": tf_config(addresses, worker), "TF_NUM_INTRAOP_THREADS": "1"}
        asked = {"optimizer": optimizer, "rate": rate, "backbone": backbone}
        given = json.dumps({**context, "worker": worker, **asked})
        command = [sys.executable, "-m", "tests.tools.in_float64", "--job", given]
        processes.append(subprocess.Popen(command, cwd=ROOT, env=environment))
    assert [process.wait() for process in processes] == [0] * workers
    with np.load(out) as arrays:
        return dict(arrays)


def table(
    image_dir: Path, work: Path, *, optimizer: str, rate: float, backbone: str = "vgg_nano"
) -> dict[str, dict[str, float]]:
    """Largest relative differences from one process after 100 steps, by layout; prints them."""
    asked = {"optimizer": optimizer, "rate": rate, "backbone": backbone}
    numbers = {layout: run(layout, image_dir, work, **asked) for layout in LAYOUTS}
    alone = numbers.pop("1 process")
    rows = {}
    for layout, ours in numbers.items():
        apart = {name: _apart(ours[name], alone[name]) for name in alone}
        rows[layout] = {"loss": apart.pop("losses"), "weights": max(apart.values())}
        print(f"float64 {backbone} {optimizer} {rate:g}  {layout:<10} {rows[layout]}", flush=True)
    return rows


def _apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Relative to the largest value, or to 1e-6 where that is 0 but for rounding, as of a sum that cancels."""
    return float(np.max(np.abs(ours - theirs)) / max(float(np.max(np.abs(theirs))), 1e-6))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--job")
    parser.add_argument("--image_dir", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--optimizer", default="adam")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--backbone", default="vgg_nano")
    given = parser.parse_args()
    if given.job:
        context = json.loads(given.job)
        train(context.pop("image_dir"), Path(context.pop("out")), **context)
    else:
        table(given.image_dir, given.work, optimizer=given.optimizer, rate=given.rate, backbone=given.backbone)


if __name__ == "__main__":
    main()
