"""The same training on one device, several logical devices and several worker processes: how far the numbers differ.

python -m tests.tools.replicas --image_dir=FOLDER --work=FOLDER [--optimizer=adam --rate=1e-4]
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests import ROOT
from tests.tools.kills import tensorboard_points
from tests.tools.workers import Workers
from trainers.rundir import checkpoint

_STEPS = 50  # of an epoch; fine-tuning has two
LAYOUTS = ("1 process", "2 devices", "4 devices", "2 workers", "3 workers")


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Of fine-tuning: the loss of every step, the weights at the end, and the scores of both evaluations."""

    losses: np.ndarray
    weights: list[np.ndarray]
    scores: np.ndarray
    confusion_matrix: list[list[int]]


def train(layout: str, root: Path, flags: list[str]) -> Numbers:
    """Runs the command line in a layout and reads what it leaves."""
    count, kind = layout.split()
    if kind == "workers":
        Workers(root, flags, count=int(count)).finish()
    else:
        devices, strategy = ("1", "one_device") if kind == "process" else (count, "mirrored")
        command = [sys.executable, "-m", "tests.tools.watched_main", devices, str(root / "validating")]
        root.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [*command, f"--model_dir={root / 'model'}", f"--distribution_strategy={strategy}", *flags],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    return read(root / "model")


def read(model_dir: Path) -> Numbers:
    """The numbers of a finished run."""
    points = tensorboard_points(model_dir / "logs/finetune/train")
    losses = {step: _scalar(value) for tag, step, value in points if tag == "steps/loss"}
    metrics = json.loads((model_dir / "finetune/metrics.json").read_text())
    newest = checkpoint.latest(model_dir / "finetune/checkpoints")
    assert newest is not None
    with np.load(newest / "variables.npz") as arrays:
        weights = [arrays[name] for name in sorted(arrays.files) if name.startswith("weights/")]
    scores = [metrics[name] for name in ("validation_loss", "validation_accuracy", "test_loss", "test_accuracy")]
    return Numbers(
        np.array([losses[step] for step in sorted(losses)]), weights, np.array(scores), metrics["confusion_matrix"]
    )


def differences(ours: Numbers, theirs: Numbers) -> dict[str, float]:
    """Largest relative differences; of the weights relative to the largest of their tensor."""
    assert len(ours.losses) == len(theirs.losses) == 2 * _STEPS
    pairs = zip(ours.weights, theirs.weights, strict=True)
    return {
        "loss": float(np.max(np.abs(ours.losses - theirs.losses) / np.abs(theirs.losses))),
        "weights": max(float(np.max(np.abs(one - other)) / np.max(np.abs(other))) for one, other in pairs),
        "scores": float(np.max(np.abs(ours.scores - theirs.scores) / np.abs(theirs.scores))),
    }


def flags_for(image_dir: Path, *, optimizer: str, rate: float) -> list[str]:
    """Both phases on the pictures of a folder, float32 and without dropout; fine-tuning takes 100 steps."""
    return [
        *("--preset=demo", f"--image_dir={image_dir}", "--image_size=32", "--batch_size=12", "--dropout=0"),
        *(f"--steps_per_epoch={_STEPS}", "--transfer_epochs=1", "--finetune_epochs=2", "--log_every_steps=1"),
        *("--mixed_precision=float32", f"--optimizer={optimizer}", f"--finetune_learning_rate={rate}"),
        *(f"--transfer_learning_rate={rate}", "--gradient_clip_norm=1", "--label_smoothing=0.1"),
    ]


def table(image_dir: Path, work: Path, *, optimizer: str, rate: float) -> dict[str, dict[str, float]]:
    """Largest relative differences from one process, by layout; prints them."""
    flags = flags_for(image_dir, optimizer=optimizer, rate=rate)
    numbers = {layout: train(layout, work / layout.replace(" ", "-"), flags) for layout in LAYOUTS}
    alone = numbers[LAYOUTS[0]]
    rows = {layout: differences(numbers[layout], alone) for layout in LAYOUTS[1:]}
    for layout, row in rows.items():
        assert numbers[layout].confusion_matrix == alone.confusion_matrix, layout
        shown = "  ".join(f"{name} {value:.1e}" for name, value in row.items())
        print(f"{optimizer} {rate:g}  {layout:<10} {shown}", flush=True)
    return rows


def _scalar(value: bytes) -> float:
    from tensorflow.core.framework.tensor_pb2 import TensorProto
    from tensorflow.python.framework.tensor_util import MakeNdarray

    return float(MakeNdarray(TensorProto.FromString(value)))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--image_dir", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--optimizer", default="sgd")
    parser.add_argument("--rate", type=float, default=1e-3)
    given = parser.parse_args()
    table(given.image_dir, given.work, optimizer=given.optimizer, rate=given.rate)


if __name__ == "__main__":
    main()
