"""The settings of a run in its folder, for a look at it that names no images of its own. No TensorFlow."""

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ftdata.errors import UserError
from trainers.config import PHASES, TrainConfig, as_dict, from_dict
from trainers.rundir.run_dir import RunDir, read_json

LOOKING = ("check", "estimate", "find_learning_rate")  # the phases that look at a run or at what would be one
_NAME_IMAGES = ("preset", "dataset", "image_dir", "labels_csv", "records")


def settings_of_run(config: TrainConfig, given: Collection[str]) -> tuple[TrainConfig, str | None]:
    """The configuration with the recorded settings of the run in model_dir, where no images are named.

    Only the phases of LOOKING are asked so; what trains is given its images, and what uses a trained model finds them
    by itself.

    Args:
      config: as the flags say it.
      given: the names of the flags that the user has given, which replace what is recorded.

    Returns:
      The configuration, and a line on where its settings are from; `config` and None where it stays as it is.

    Raises:
      UserError: the folder holds a run, and nothing there says which images it was trained on.
    """
    if config.phase not in LOOKING or set(given) & set(_NAME_IMAGES) or config.overwrite:
        return config, None
    run_dir = RunDir(Path(config.model_dir).expanduser())
    recorded = (read_json(run_dir.config) or {}).get("settings")
    if not recorded:
        if any(run_dir.is_begun(name) for name in PHASES):
            raise UserError(
                f"model_dir {run_dir.root} holds a run without a {run_dir.config.name} that says which images it was "
                "trained on: name them with --image_dir, --labels_csv, --records or --dataset"
            )
        return config, None
    now = as_dict(config)
    kept = {**recorded, **{name: now[name] for name in given}}
    kept |= {"phase": config.phase, "model_dir": config.model_dir, "overwrite": False}
    adopted = dataclasses.replace(from_dict(kept), use=config.use, serve=config.serve)
    return adopted, f"no images are named, so these are the settings of the run in {run_dir.root}: {_images(recorded)}"


def _images(recorded: dict[str, Any]) -> str:
    """`--image_dir=photos`, or `--dataset=cutlery`."""
    found = next((name for name in ("labels_csv", "records", "image_dir", "dataset") if recorded.get(name)), None)
    return f"--{found}={recorded[found]}" if found else "the demo's images"
