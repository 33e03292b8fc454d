"""The public names of a package, each loaded when it is first asked for. Standard library only.

Importing a light module of a wing then does not import TensorFlow, which takes seconds, for the sake of another one.
"""

import importlib
from collections.abc import Callable
from typing import Any

from ftdata import stderr


def exports(package: str, names: dict[str, str]) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """What a package's `__init__` assigns to `__all__`, `__getattr__` and `__dir__` (PEP 562).

    Example::

        __all__, __getattr__, __dir__ = lazy.exports(__name__, {"RandomAffine": "random_affine"})

    Args:
      package: its full name.
      names: public name -> the module that defines it, relative to the package. A name must not be that of one of the
        package's modules: importing the module would set the attribute to it.

    Returns:
      The names in order, and the two functions.
    """
    modules = {module.partition(".")[0] for module in names.values()}
    assert modules.isdisjoint(names), f"{package}: {', '.join(modules & names.keys())} would be a module and a name"

    def load(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it offers {', '.join(names)}")
        with stderr.quiet_import():
            return getattr(importlib.import_module(f"{package}.{names[name]}"), name)

    return list(names), load, lambda: sorted(names)
