"""Image files on disk become batches: scanning, decoding, caching, ordering and augmenting.

The public names load lazily, so that importing `ftdata.config` does not import TensorFlow.
"""

import importlib
from typing import Any

import wrapt

from ftdata import quiet

_LAYERS = {
    "PairMixing": "ftdata.augment.mixing",
    "RandomAffine": "ftdata.augment.random_affine",
    "RandomBrightnessFactor": "ftdata.augment.augmentation",
    "RandomChannelShift": "ftdata.augment.augmentation",
    "RandomColorJitter": "ftdata.augment.color",
    "RandomErasing": "ftdata.augment.erasing",
    "RandomResizedCrop": "ftdata.augment.resized_crop",
}
_PUBLIC = {**_LAYERS, "load_folder": "ftdata.sources.source"}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ftdata' has no attribute {name!r}; it offers {', '.join(_PUBLIC)}")
    with quiet.tensorflow_import():
        return getattr(importlib.import_module(_PUBLIC[name]), name)


def _make_layers_known(keras: Any) -> None:
    """Lets `keras.saving.load_model` find this project's layers after `import ftdata`, whichever of the two is imported
    first, although their modules, and TensorFlow with them, load only when a saved model asks for one."""
    for name, module in _LAYERS.items():
        keras.saving.get_custom_objects().setdefault(f"ftdata>{name}", _stand_in(name, module))


def _stand_in(name: str, module: str) -> type:
    """What is registered in place of a layer until its module, once loaded, registers the layer itself."""

    def from_config(config: dict[str, Any]) -> Any:
        return getattr(importlib.import_module(module), name).from_config(config)

    return type(name, (), {"from_config": staticmethod(from_config)})


wrapt.register_post_import_hook(_make_layers_known, "keras")
