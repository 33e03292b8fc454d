"""What the workers of a run have to agree on: settings, code and images."""

from typing import Any

from ftdata.errors import UserError
from ftdata.sources.source import Source
from trainers.config import TrainConfig, settings
from trainers.rundir.bound import settings_fingerprint
from trainers.rundir.fingerprint import code_versions, data_differences, data_fingerprint
from trainers.runtime.processes import ProcessGroup

# Where things lie may differ from machine to machine; the images themselves are compared.
_LOCAL = (
    "model_dir",
    "data_dir",
    "manual_dir",
    "image_dir",
    "labels_csv",
    "records",
    "cache",
    "disk_cache_gib",
    "remote_cache_gib",
    "remote_timeout_s",
    "profile_steps",
    "tensorboard",
)


def shared(config: TrainConfig) -> dict[str, Any]:
    """What has to be the same in all workers, as JSON values."""
    code = {name: version for name, version in code_versions().items() if name != "python"}
    chosen = {field.name: value for field, value in settings(config) if field.name not in _LOCAL}
    return {**settings_fingerprint(chosen), **code}


def check_data(processes: ProcessGroup, source: Source) -> None:
    """Checks that every worker has the same images as rank 0.

    Raises:
      UserError: in rank 0, which of them has others, and how they differ.
    """
    if processes.size == 1:
        return
    whole = processes.gather_objects(data_fingerprint(source))
    for index, (theirs, _) in enumerate(whole):
        differences = data_differences(whole[0][0], theirs)
        if differences:
            lines = "".join(f"  {line}\n" for line in differences)
            raise UserError(f"worker {index} has other images than rank 0:\n{lines}Give all workers the same files")
