"""The data doctor (`--phase=check`): what is in the data and what a run would do with it, without training.

For `trainers.commands`. It may look at everything a run is built of, and writes nothing.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(__name__, {"check": "diagnosis"})
