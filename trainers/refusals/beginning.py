"""What is refused of a run that trains, or of a look at what would."""

from collections.abc import Mapping

from ftdata.config import AugmentConfig
from ftdata.config.augment import check_pairs
from ftdata.errors import UserError
from ftdata.folders import local, table
from ftdata.names import counted
from ftdata.sources import holdout, weighting
from trainers.config import SEARCHED_PHASES, TRAINING_PHASES, TrainConfig, TrainingConfig
from trainers.export import needed
from trainers.models import starting_point
from trainers.refusals import places
from trainers.rundir import bound, lock
from trainers.rundir.cleared import check_kept
from trainers.rundir.run_dir import RunDir
from trainers.runtime import cluster


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


def check(config: TrainConfig, run_dir: RunDir) -> None:
    """Refuses what trains, or looks at what would.

    Raises:
      UserError: what cannot be done.
    """
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
    places.check(data)
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
