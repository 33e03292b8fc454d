"""What both sides of an end-to-end comparison are given."""

import dataclasses
from pathlib import Path

from benchmarks.harness.networks import Network


@dataclasses.dataclass(frozen=True)
class Task:
    """A network to train on class folders below `folder`/train (and to validate on those below `folder`/validation).

    `learning_rates` are by phase.
    """

    network: Network
    folder: Path
    learning_rates: dict[str, float]
