"""What a run computes on: processes, devices, signals, output streams and compilation.

Knows nothing of data, models or files of a run. Everything but `trainers.config` may import it; `signals` and
`streams` need no TensorFlow, for the command line uses them before it loads that.
"""

from ftdata import lazy

_NAMES = {
    "Interrupted": "signals",
    "ProcessGroup": "processes",
    "StopRequest": "signals",
    "compile_mode": "compilation",
    "launch": "launcher",
    "make_strategy": "devices",
    "on_signals": "signals",
    "runs_on_gpu": "devices",
}
__all__, __getattr__, __dir__ = lazy.exports(__name__, _NAMES)
