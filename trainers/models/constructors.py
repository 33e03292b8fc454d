"""What makes a backbone of a name, read from source files: importing Keras for it takes seconds.

A command line that names a network or an argument that there is not can so be refused at once.
"""

import ast
import functools
import importlib.util
from pathlib import Path
from typing import Any

_KERAS = "keras.src.applications."
LITE = ("EfficientNetLite0", "EfficientNetLite1", "EfficientNetLite2")
_OWN = {"vgg_nano": "vgg_nano", **dict.fromkeys(LITE, "efficientnet_lite")}  # name -> module beside this one


@functools.cache
def of_keras() -> dict[str, str]:
    """The names of Keras Applications, sorted, each with the module that defines it."""
    source = ast.parse((_keras() / "applications/__init__.py").read_text(encoding="utf-8"))
    found = {
        alias.asname or alias.name: statement.module or ""
        for statement in source.body
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(_KERAS)
        for alias in statement.names
    }
    return {name: found[name] for name in sorted(found)}


def names() -> list[str]:
    """Every backbone known by name."""
    return [*_OWN, *of_keras()]


@functools.cache
def parameters(backbone: str) -> dict[str, Any]:
    """The arguments of a constructor, each with its default where that is a constant, else None.

    Args:
      backbone: one of `names`.
    """
    found = next(
        statement
        for statement in ast.parse(_source(backbone).read_text(encoding="utf-8")).body
        if isinstance(statement, ast.FunctionDef) and statement.name == backbone
    ).args
    placed, named = [*found.posonlyargs, *found.args], found.kwonlyargs
    absent = [None] * (len(placed) - len(found.defaults))
    values = zip([*placed, *named], [*absent, *found.defaults, *found.kw_defaults], strict=True)
    return {argument.arg: value.value if isinstance(value, ast.Constant) else None for argument, value in values}


def _source(backbone: str) -> Path:
    if backbone in _OWN:
        return Path(__file__).with_name(f"{_OWN[backbone]}.py")
    return _keras() / "src/applications" / f"{of_keras()[backbone].removeprefix(_KERAS)}.py"


def _keras() -> Path:
    spec = importlib.util.find_spec("keras")
    assert spec is not None, "a dependency"
    assert spec.submodule_search_locations, "a package"
    return Path(spec.submodule_search_locations[0])
