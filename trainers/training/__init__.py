"""One phase of training: its step, its loop, its optimizer, its callbacks.

Obeys `TrainingConfig`, out of a `ResolvedConfig`. The doctor and the commands import it.
"""

from ftdata import lazy

_NAMES = {
    "RunContext": "context",
    "TrainStep": "step",
    "make_optimizer": "optimizer",
    "run_phase": "phase",
}
__all__, __getattr__, __dir__ = lazy.exports(__name__, _NAMES)
