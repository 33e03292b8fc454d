"""The networks that are trained for speed: the notebook's, a small modern one, or any by name."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from trainers.config import ModelConfig
from trainers.models import backbones


@dataclasses.dataclass(frozen=True)
class Network:
    """A model with the input side it is trained at, the layers that fine-tuning trains, and the batch size."""

    name: str
    model: ModelConfig
    image_size: int
    unfreeze: tuple[str, ...]
    batch_size: int


@dataclasses.dataclass(frozen=True)
class Task:
    """A network to train on class folders below `folder`/train (and to validate on those below `folder`/validation).

    `learning_rates` are by phase.
    """

    network: Network
    folder: Path
    learning_rates: dict[str, float]


# Weights are random unless a file is given: the speed is the same. Batch normalization stays frozen as it does
# with trained weights. Pixels / 255 as in the notebook, so that both sides of a comparison compute the same.
_HEADS: dict[str, dict[str, Any]] = {"VGG16": {"pooling": "flatten", "dense_units": 1024, "dropout": 0.5}}
_UNFREEZE = {"VGG16": ("block4", "block5")}
_SIZES = {"MobileNetV2": 160}
_ARGUMENTS = {"MobileNetV2": {"alpha": 0.35}}
_BATCHES = {"VGG16": 20}
_DEFAULT = ("MobileNetV2", "VGG16")
NETWORK_FLAGS = ("backbone", "backbone_args", "image_size", "batch_size", "weights")


def chosen(flags: Any) -> list[Network]:
    """The networks that NETWORK_FLAGS ask for; without `--backbone` the default ones, of which a trial takes the first.

    Raises:
      ValueError: an unknown backbone.
    """
    names = [flags.backbone] if flags.backbone else list(_DEFAULT[:1] if flags.quick else _DEFAULT)
    return [create(name, flags) for name in names]


def create(backbone: str, flags: Any) -> Network:
    """The network on `backbone` with what the flags change about it."""
    size = _SIZES.get(backbone) or backbones.default_size(backbone)
    arguments = json.loads(flags.backbone_args) if flags.backbone_args else _ARGUMENTS.get(backbone)
    config = ModelConfig(
        backbone=backbone,
        backbone_args=arguments,
        weights=flags.weights,
        preprocessing="rescale",
        train_batch_norm=False,
        **_HEADS.get(backbone, {}),
    )
    size, batch = (64, 4) if flags.quick else (size, _BATCHES.get(backbone, 32))
    size, batch = flags.image_size or size, flags.batch_size or batch
    label = " ".join([backbone, *(f"{key}={value}" for key, value in (arguments or {}).items())])
    return Network(f"{label} {size}x{size}", config, size, _UNFREEZE.get(backbone, ("all",)), batch)
