"""What the workers of a run have to agree on: settings, code, images, and what was left to the program."""

import dataclasses
from typing import Any

from ftdata.errors import UserError
from ftdata.sources.source import Source
from trainers.config import PHASES, TrainConfig, settings
from trainers.models import backbones, precision
from trainers.rundir import fingerprint, record
from trainers.rundir.run_dir import RunDir
from trainers.runtime.processes import ALONE, ProcessGroup

# Where things lie may differ from machine to machine; the pictures themselves are compared.
_LOCAL = (
    "model_dir",
    "data_dir",
    "manual_dir",
    "image_dir",
    "labels_csv",
    "cache",
    "disk_cache_gib",
    "profile_steps",
    "tensorboard",
)


def shared(config: TrainConfig) -> dict[str, Any]:
    """What has to be the same in all workers, as JSON values."""
    code = {name: version for name, version in fingerprint.of_code().items() if name != "python"}
    chosen = {field.name: value for field, value in settings(config) if field.name not in _LOCAL}
    return {**fingerprint.of_settings(chosen), **code}


def check_data(processes: ProcessGroup, source: Source) -> None:
    """Checks that every worker has the same pictures as the chief.

    Raises:
      UserError: in the chief, which of them has others, and how they differ.
    """
    if processes.size == 1:
        return
    whole = processes.gather_objects(fingerprint.of_data(source))
    for index, (theirs, _) in enumerate(whole):
        differences = fingerprint.data_differences(whole[0][0], theirs)
        if differences:
            lines = "".join(f"  {line}\n" for line in differences)
            raise UserError(
                f"worker {index} has other pictures than the chief:\n{lines}Give all workers the same files"
            )


def settle(config: TrainConfig, run_dir: RunDir, *, on_gpu: bool, processes: ProcessGroup = ALONE) -> TrainConfig:
    """Replaces what is left to the program (image size, precision, monitor) by values: the chief's, in a team.

    What an earlier start in the same folder settled on is kept, so that a restart on a slightly different
    machine computes the same numbers.
    """

    def values() -> list[Any]:
        settled = _settle(config, run_dir, on_gpu=on_gpu)
        return [settled.data.image_size, settled.runtime.mixed_precision, settled.training.monitor]

    size, policy, monitor = processes.broadcast_object(values)
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, image_size=size),
        runtime=dataclasses.replace(config.runtime, mixed_precision=policy),
        training=dataclasses.replace(config.training, monitor=monitor),
    )


def _settle(config: TrainConfig, run_dir: RunDir, *, on_gpu: bool) -> TrainConfig:
    is_bound = not config.overwrite and any(run_dir.phase(name).is_begun for name in PHASES)
    earlier = record.recorded(run_dir).get("settings", {}) if is_bound else {}
    data, runtime = config.data, config.runtime
    if data.image_size is None:
        size = earlier.get("image_size") or backbones.default_size(config.model.backbone)
        data = dataclasses.replace(data, image_size=size)
    if runtime.mixed_precision == "auto":
        policy = earlier.get("mixed_precision") or precision.resolve(
            "auto", on_gpu=on_gpu, depthwise=backbones.is_depthwise(config.model.backbone)
        )
        runtime = dataclasses.replace(runtime, mixed_precision=policy)
    monitor = config.training.monitor or earlier.get("monitor") or config.training.monitored
    training = dataclasses.replace(config.training, monitor=monitor)
    return dataclasses.replace(config, data=data, runtime=runtime, training=training)
