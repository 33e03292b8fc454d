"""The recorded settings of a run whose files may lie elsewhere by now."""

import os
from pathlib import Path
from typing import Any

from ftdata.errors import UserError
from trainers.config import ModelConfig, TrainConfig
from trainers.config.model import HUB, hub_folder
from trainers.rundir import bound
from trainers.rundir.run_dir import RunDir

_MOVABLE = ("image_dir", "labels_csv", "records", "exclude_csv", "data_dir", "manual_dir")


def settings(config: TrainConfig, run_dir: RunDir) -> dict[str, Any]:
    """The settings of the run, with the places where its files lie now, where they are given.

    Raises:
      UserError: nothing is recorded.
    """
    recorded = bound.recorded(run_dir).get("settings")
    if not recorded:
        raise UserError(f"{run_dir.config} is gone or holds no settings, so there is nothing to verify the run by")
    places = {name: value for name in _MOVABLE if (value := getattr(config.data, name))}
    if config.data.named_files:  # the same images may lie in files or in shards by now
        recorded = {**recorded, **dict.fromkeys(("image_dir", "labels_csv") if config.data.records else ("records",))}
    usual = ModelConfig()
    for name in ("weights", "backbone", "init_from"):
        value = getattr(config.model, name)
        if value != getattr(usual, name) and Path(value).expanduser().is_file():
            places[name] = value
    if folder := hub_folder(config.model.backbone):
        recorded = {**recorded, "backbone": HUB + os.path.abspath(folder)}
    return {**recorded, **{name: os.path.abspath(os.path.expanduser(value)) for name, value in places.items()}}
