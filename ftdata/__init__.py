"""Image files on disk -> batches for training: found, inspected, decoded, cached, put in order and augmented.

The wings, in the order in which they may import each other: `decoding`, `augment` and `datasets`; `inspection`;
`folders`; `sources`; `cache`; and `pipeline`, the file to open first. Importing this package, or its settings, does not
import TensorFlow.
"""

import importlib
from typing import Any

import wrapt

from ftdata import lazy

_LAYERS = {
    "BackgroundMixing": "augment.background",
    "PairMixing": "augment.mixing",
    "RandAugment": "augment.rand_augment",
    "RandomAffine": "augment.random_affine",
    "RandomBrightnessFactor": "augment.color",
    "RandomChannelShift": "augment.color",
    "RandomColorJitter": "augment.color",
    "RandomConvolution": "augment.convolution",
    "RandomErasing": "augment.erasing",
    "RandomGrayscale": "augment.grayscale",
    "RandomHue": "augment.hue",
    "RandomResizedCrop": "augment.resized_crop",
}
_DATA = {
    "AugmentConfig": "config",
    "DataConfig": "config",
    "Source": "sources.source",
    "Split": "sources.split",
    "load_folder": "sources.source",
    "open_source": "sources.source",
}
__all__, __getattr__, __dir__ = lazy.exports(__name__, _LAYERS | _DATA)


def _make_layers_known(keras: Any) -> None:
    """Lets `keras.saving.load_model` find this project's layers after `import ftdata`, whichever of the two is imported
    first, although their modules, and TensorFlow with them, load only when a saved model asks for one."""
    for name, module in _LAYERS.items():
        keras.saving.get_custom_objects().setdefault(f"ftdata>{name}", _stand_in(name, module))


def _stand_in(name: str, module: str) -> type:
    """What is registered in place of a layer until its module, once loaded, registers the layer itself."""

    def from_config(config: dict[str, Any]) -> Any:
        return getattr(importlib.import_module(f"{__name__}.{module}"), name).from_config(config)

    return type(name, (), {"from_config": staticmethod(from_config)})


wrapt.register_post_import_hook(_make_layers_known, "keras")
