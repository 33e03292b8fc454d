"""What a run keeps on disk to be resumed and told apart: its lock, its record, its checkpoints.

The only place that knows the names of files below model_dir. Imports `trainers.config` and `trainers.runtime`; every
wing after it may import it.
"""

from ftdata import lazy

_NAMES = {
    "Checkpointer": "checkpointer",
    "Progress": "progress",
    "RunDir": "run_dir",
    "RunRecord": "record",
    "data_fingerprint": "fingerprint",
    "only_writer": "lock",
}
__all__, __getattr__, __dir__ = lazy.exports(__name__, _NAMES)
