"""What is refused of the use of a trained model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftdata.address import scheme_of
from ftdata.errors import UserError
from ftdata.folders import named_images
from ftdata.names import what_is_at
from ftdata.settings import said
from trainers.config import TrainConfig, multi_label, other_channels
from trainers.export import needed
from trainers.models import catalogue
from trainers.refusals import places
from trainers.rundir import best_model, bound, found_runs, receipt_file
from trainers.rundir.run_dir import RunDir
from trainers.serving import address


def check(config: TrainConfig, run_dir: RunDir) -> None:
    """Refuses what uses a trained model.

    Raises:
      UserError: what cannot be done.
    """
    if config.phase not in ("predict", "serve", "verify"):  # which only read
        run_dir.check()
    if config.phase == "report":
        found_runs.check(run_dir.root)
    elif config.phase == "verify":
        receipt_file.read(run_dir)
    elif config.phase == "serve":
        address.check_installed()
        given = config.use.model
        address.check_saved_model(Path(given).expanduser() if given else run_dir.export / "saved_model")
        with address.listening(config.serve):
            pass
    elif config.phase == "predict":
        _predict(config, run_dir)
    else:
        _evaluate(config, run_dir)


def _predict(config: TrainConfig, run_dir: RunDir) -> None:
    channels = config.data.channels
    if config.use.model == "imagenet":
        backbone = catalogue.PREFERRED if config.model.backbone == catalogue.AUTO else config.model.backbone
        catalogue.check_original(backbone, weights=config.model.weights)
        catalogue.check(backbone, weights=config.model.weights, arguments=config.model.backbone_args)
    elif config.use.model:
        path = Path(config.use.model).expanduser()
        best_model.check_file(path)
        channels = _checked_settings(config, RunDir(path.parent.parent)).get("channels", 3)
    else:
        best_model.of_run(run_dir)
        channels = _checked_settings(config, run_dir).get("channels", 3)
    named_images.find(str(config.use.images), channels=channels)


def _evaluate(config: TrainConfig, run_dir: RunDir) -> None:
    """Evaluate and export: of the run in model_dir, on its own images or others."""
    if config.phase == "export":
        needed.check_installed(config.use.export_formats, web_runtime=config.use.web_runtime)
    best_model.of_run(run_dir)
    recorded = _checked_settings(config, run_dir)
    if config.use.other_images:
        named_images.find(config.use.other_images, setting="other_images")
    names = ("labels_csv", "records", "image_dir", "dataset")
    if config.phase == "evaluate" and any(getattr(config.data, name) for name in names):
        places.check(config.data)
        _are_there({name: getattr(config.data, name) for name in names}, way_out="")
    elif recorded:
        moved = "name where they are now with --image_dir" if config.phase == "evaluate" else "put them back there"
        way_out = f" ({run_dir.config} says so): the images of the run are gone or were moved; {moved}"
        _are_there({name: recorded.get(name) for name in names}, way_out=way_out)


def _checked_settings(config: TrainConfig, run_dir: RunDir) -> dict[str, Any]:
    """The recorded settings of a run whose model can do what is asked; empty where nothing is recorded."""
    recorded = bound.recorded(run_dir).get("settings", {})
    multi_label.check_use(config.use, task=recorded.get("task", "single"))
    other_channels.check_use(config.use, channels=recorded.get("channels", 3))
    return recorded


def _are_there(named: Mapping[str, str | None], *, way_out: str) -> None:
    for name, kind in (("labels_csv", "a CSV file"), ("image_dir", "a folder")):
        place = named.get(name)
        if not place or scheme_of(place) or (name == "image_dir" and named.get("labels_csv")):
            continue
        path = Path(place).expanduser()
        if not (path.is_file() if name == "labels_csv" else path.is_dir()):
            there = what_is_at(path, missing=f"no such {'file' if name == 'labels_csv' else 'folder'}")
            raise UserError(f"{name} must be {kind}, got {said(place)}: {there}{way_out}")
