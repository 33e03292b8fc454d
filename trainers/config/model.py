"""What can be set about the network."""

import dataclasses
import json
import os
from typing import Any

from ftdata.errors import UserError
from ftdata.settings import check_settings, said, setting

HUB = "hub:"  # begins a --backbone of KerasHub: a preset's name, or its folder
_LARGEST_ARGUMENT = 1000  # of a number in backbone_args: widths and depths of networks


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network: a backbone, where its weights come from, and the head put on it."""

    backbone: str = setting(
        "EfficientNetV2B0",
        "pretrained network below the head: any name of Keras Applications, EfficientNetLite0, 1 or 2 (extra lite), "
        "vgg_nano (embedded), a .keras file, hub:PRESET or hub:FOLDER of KerasHub (extra zoo), or auto: "
        "EfficientNetV2B0, or EfficientNetLite0 where the extra lite is installed and the weights of EfficientNetV2B0 "
        "cannot be fetched",
        is_path=True,
    )
    backbone_args: dict[str, Any] | None = setting(
        None, 'JSON object of further arguments of the backbone, such as {"alpha": 0.35}'
    )
    weights: str = setting(
        "imagenet",
        "initial weights of the backbone: imagenet (of hub:, those of the preset), none (random), objects (those of "
        "vgg_nano), or a weights file",
        is_path=True,
    )
    preprocessing: str = setting(
        "backbone",
        "how pixels are scaled: backbone is what its weights expect, rescale is pixels / 255",
        choices=("backbone", "rescale"),
    )
    pooling: str = setting(
        "avg", "how the feature maps of the backbone become one vector", choices=("flatten", "avg", "max")
    )
    dense_units: int = setting(
        0, "units of a ReLU layer between backbone and classifier; 0 is no such layer", minimum=0, maximum=65_536
    )
    dropout: float = setting(
        0.2,
        "fraction of the features between backbone and classifier dropped at random in training",
        minimum=0.0,
        maximum=0.95,
    )
    train_batch_norm: bool | None = setting(
        None,
        "whether batch normalization in the backbone trains, statistics included",
        unset="only where it starts from random weights",
    )
    init_from: str | None = setting(
        None, "trained model of this project (.keras) whose weights training starts from", is_path=True
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.backbone_args is not None and not isinstance(self.backbone_args, dict):
            raise UserError(f"backbone_args must be a JSON object, got {json.dumps(self.backbone_args)}")
        for name, value in (self.backbone_args or {}).items():
            if isinstance(value, int | float) and not abs(value) <= _LARGEST_ARGUMENT:  # catches NaN too
                raise UserError(f"backbone_args must have numbers up to {_LARGEST_ARGUMENT}, got {name}: {said(value)}")


def hub_folder(backbone: str | None) -> str | None:
    """The folder of `hub:FOLDER`, as it was given, where there is one; None for other backbones."""
    name = os.path.expanduser((backbone or "").removeprefix(HUB))
    return name if (backbone or "").startswith(HUB) and os.path.isdir(name) else None
