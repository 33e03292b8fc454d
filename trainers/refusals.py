"""What flags and files alone refuse, before TensorFlow is imported: that takes seconds, and a slip should not.

The same rules hold later, where they are needed; here they are asked first, cheapest first. What needs the contents of
images, a device or a network is not asked here. Of several workers each leaves it to the common start, which tells all
of them what one has found.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftdata.address import scheme_of
from ftdata.config import AugmentConfig, DataConfig
from ftdata.config.augment import check_pairs
from ftdata.errors import UserError
from ftdata.folders import local, named_images, table
from ftdata.names import counted, what_is_at
from ftdata.records import shards
from ftdata.remote import store
from ftdata.settings import said
from ftdata.sources import holdout, weighting
from trainers.config import (
    SEARCHED_PHASES,
    TRAINING_PHASES,
    USING_PHASES,
    TrainConfig,
    TrainingConfig,
    multi_label,
    other_channels,
)
from trainers.export import needed
from trainers.models import catalogue, starting_point
from trainers.rundir import best_model, bound, found_runs, lock, receipt_file
from trainers.rundir.cleared import check_kept
from trainers.rundir.run_dir import RunDir
from trainers.runtime import cluster
from trainers.serving import address
from trainers.tracking import backend


def refuse(config: TrainConfig) -> None:
    """Does nothing for a run that may begin, as far as flags and files tell.

    Raises:
      UserError: what cannot be done, and the way out.
    """
    with contextlib.suppress(OSError):  # whoever needs the file says so
        if config.runtime.track != "none":
            backend.check_installed(config.runtime.track)
        run_dir = RunDir(Path(config.model_dir).expanduser())
        if config.phase in USING_PHASES:
            _use(config, run_dir)
        else:
            _begin(config, run_dir)


def several_machines(config: TrainConfig, what: str, way_out: str) -> None:
    """Refuses what is for one machine on a worker of several.

    Raises:
      UserError: this is one.
    """
    if cluster.find(config.runtime.distribution_strategy):
        raise UserError(f"{what} is for one machine, this is a worker of several: {way_out}")


def find_learning_rate(config: TrainConfig) -> None:
    """Raises UserError where no learning rate can be found."""
    several_machines(
        config,
        "find_learning_rate",
        "run it on one of them with --distribution_strategy=mirrored or one_device. --batch_size is that of all, so "
        "the learning rate is too",
    )


def search(config: TrainConfig, run_dir: RunDir) -> None:
    """Refuses what cannot be searched with or in, before --overwrite clears anything.

    Raises:
      UserError: a cluster, a model that cannot be built, a folder that holds another kind of run, or a file that
        --overwrite would remove.
    """
    start(config, run_dir)
    several_machines(
        config,
        "time_budget",
        "search on one of them with --distribution_strategy=mirrored or one_device, then train with the settings that "
        "it found",
    )
    if run_dir.config.exists() and not run_dir.search.exists() and not config.overwrite:
        raise UserError(
            f"model_dir {run_dir.root} holds a run without a search: give another --model_dir, or --overwrite, which "
            "starts over"
        )


def batch(training: TrainingConfig, augment: AugmentConfig, *, replicas: int) -> None:
    """Refuses a batch size that cannot be dealt to so many devices in equal parts.

    Raises:
      UserError: what it has to be a multiple of.
    """
    devices, pieces = counted(replicas, "device"), training.gradient_accumulation_steps
    if training.batch_size % replicas:
        raise UserError(f"batch_size must be a multiple of the {devices}, got {training.batch_size}")
    if training.batch_size % (replicas * pieces):
        times = f"{replicas * pieces}, the {devices} times gradient_accumulation_steps={pieces}"
        raise UserError(
            f"batch_size must be a multiple of {times if replicas > 1 else f'gradient_accumulation_steps={pieces}'}, "
            f"got {training.batch_size}"
        )
    if augment.mixes_pairs:
        check_pairs(training.batch_size // (replicas * pieces))


def start(config: TrainConfig, run_dir: RunDir) -> None:
    """Checks what training starts from.

    Raises:
      UserError: it is not there, or --overwrite would remove it.
    """
    starting_point.check(config.model, cleared=run_dir.root if config.overwrite else None)
    if config.overwrite:
        check_kept("exclude_csv", config.data.exclude_csv, cleared=run_dir.root, by="--overwrite")


def _begin(config: TrainConfig, run_dir: RunDir) -> None:
    """What trains, or looks at what would."""
    if cluster.is_of_slurm():  # asking it takes TensorFlow
        return
    if config.phase != "estimate":
        batch(config.training, config.augment, replicas=1)  # of several, less is possible
    if config.phase == "find_learning_rate":
        find_learning_rate(config)
    if cluster.find(config.runtime.distribution_strategy):
        return
    is_search = bool(config.search.time_budget) and config.phase in SEARCHED_PHASES
    run_dir.check()
    search(config, run_dir) if is_search else start(config, run_dir)
    if config.phase == "all":
        needed.check_installed(config.use.export_formats, web_runtime=config.use.web_runtime)
    if config.phase in TRAINING_PHASES:
        if (run_dir.root / "lock").exists():
            with lock.only_writer(run_dir.root):
                pass  # it was left behind
        if not is_search:  # which sets what the user leaves to it
            bound.check(config, run_dir, last="finetune" if config.phase == "all" else config.phase)
    _images(config, is_soon=not is_search)


def _images(config: TrainConfig, *, is_soon: bool) -> None:
    """Checks the images to train on by their names; `is_soon` is whether they are listed again in a moment."""
    data = config.data
    if data.exclude_csv:
        table.read(data.exclude_csv, setting="exclude_csv", columns=("file",))
    _place(data)
    if not local.is_local(data):
        return
    listing = local.ahead(data) if is_soon else local.listed(data)
    starting_point.check_classes(config.model, listing.class_names)
    images = listing.splits["train"]
    if data.group_pattern:
        holdout.check_pattern(images.names, data.group_pattern)
    if isinstance(config.training.class_weights, Mapping):
        weighting.class_weights(images.labels, listing.class_names, config.training.class_weights)
    if "test" not in listing.splits and not data.validation_fraction:
        no_test_set(str(data.named_files))


def no_test_set(name: str) -> None:
    """Raises UserError: a data set without a test set, of which none is held out."""
    raise UserError(f"{name} has no test set and validation_fraction=0 holds none out: set it above 0")


def _place(data: DataConfig) -> None:
    """Checks that the places of images are there, without looking through them."""
    for place in (data.labels_csv, data.records, data.image_dir):
        store.check_installed(place)
    if data.records and not scheme_of(data.records):
        shards.find(data.records)


def _use(config: TrainConfig, run_dir: RunDir) -> None:
    """What uses a trained model."""
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
        _place(config.data)
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


def _are_there(places: Mapping[str, str | None], *, way_out: str) -> None:
    for name, kind in (("labels_csv", "a CSV file"), ("image_dir", "a folder")):
        place = places.get(name)
        if not place or scheme_of(place) or (name == "image_dir" and places.get("labels_csv")):
            continue
        path = Path(place).expanduser()
        if not (path.is_file() if name == "labels_csv" else path.is_dir()):
            there = what_is_at(path, missing=f"no such {'file' if name == 'labels_csv' else 'folder'}")
            raise UserError(f"{name} must be {kind}, got {said(place)}: {there}{way_out}")
