"""Image files on disk become batches: scanning, decoding, caching, ordering and augmenting.

The public names load lazily, so that importing `ftdata.config` does not import TensorFlow.
"""

import importlib
from typing import Any

from ftdata import quiet

_PUBLIC = {
    "RandomAffine": "ftdata.augment",
    "load_folder": "ftdata.source",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ftdata' has no attribute {name!r}; it offers {', '.join(_PUBLIC)}")
    with quiet.tensorflow_import():
        return getattr(importlib.import_module(_PUBLIC[name]), name)
