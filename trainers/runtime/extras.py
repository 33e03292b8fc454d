"""Packages that are extras of this project: missing ones are named with the command that installs them."""

import importlib.util
from collections.abc import Sequence

from ftdata.errors import UserError
from ftdata.extras import install

__all__ = ["check_installed", "install"]


def check_installed(what: str, packages: Sequence[str], *, extra: str) -> None:
    """Does nothing where an extra is installed.

    Args:
      what: the flag that needs it, as the message begins.
      packages: names that are imported.
      extra: of pyproject.toml.

    Raises:
      UserError: what is missing and how to install it.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{what} needs {', '.join(missing)}, not installed here: {install(extra)}")
