"""What a tracking server has to offer: the adapter that `--track` goes through."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from trainers.runtime import extras

# name of the flag's value -> module with the backend, what it imports, extra
_BACKENDS = {"mlflow": ("trainers.tracking.mlflow_backend", "mlflow", "mlflow")}


class Written(NamedTuple):
    """What a run on the server holds already.

    Attributes:
      parameters: their names.
      steps: at which it has points of an epoch.
      metrics: names of all that it has a value of.
    """

    parameters: frozenset[str]
    steps: frozenset[int]
    metrics: frozenset[str]


class Backend(Protocol):
    """A connection to a tracking server. Every method raises what its library does where the server is out of reach."""

    uri: str

    def start(self, run_id: str | None, *, name: str) -> str:
        """Opens the run, or a new one where `run_id` is None or is not there; returns its id."""
        ...

    def written(self, epoch: str) -> Written:
        """What the run holds; `epoch` is the metric that every point of an epoch has."""
        ...

    def parameters(self, values: Mapping[str, str]) -> None:
        """Adds what was set."""
        ...

    def metrics(self, values: Mapping[str, float], *, step: int) -> None:
        """Adds a point to each curve, all or none."""
        ...

    def artifact(self, path: Path) -> None:
        """Adds a file, in place of one of its name."""
        ...

    def end(self, outcome: str) -> None:
        """Closes the run: `finished`, `stopped` or `failed`."""
        ...


def check_installed(name: str) -> None:
    """Does nothing where the backend can be used.

    Raises:
      UserError: what is missing and how to install it.
    """
    _, needed, extra = _BACKENDS[name]
    extras.check_installed(f"track={name}", [needed], extra=extra)


def connect(name: str, *, runs: Path) -> Backend:
    """The backend `name`; what it keeps on this machine by default lies in the folder `runs`."""
    return importlib.import_module(_BACKENDS[name][0]).connect(runs)
