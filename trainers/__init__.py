"""Batches become a trained model, its numbers and its files.

The public names load lazily, so that importing `trainers.config` does not import TensorFlow.
"""

import importlib
from typing import Any

from ftdata import stderr

_PUBLIC = {"run": "trainers.experiment"}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'trainers' has no attribute {name!r}; it offers {', '.join(_PUBLIC)}")
    with stderr.quiet_import():
        return getattr(importlib.import_module(_PUBLIC[name]), name)
