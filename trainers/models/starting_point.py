"""What training starts from, checked before anything is computed or cleared away."""

from collections.abc import Sequence
from pathlib import Path

from ftdata.errors import UserError
from ftdata.names import listed
from trainers.config import ModelConfig
from trainers.models import catalogue
from trainers.rundir.cleared import check_kept
from trainers.rundir.run_dir import read_json


def check(model: ModelConfig, *, cleared: Path | None = None) -> None:
    """Checks the names and files of the model's settings; builds and fetches nothing.

    Args:
      model: the settings.
      cleared: the folder that --overwrite is about to clear, if it is.

    Raises:
      UserError: an unknown backbone or argument of it, or a file that is not there or that --overwrite would remove.
    """
    backbone = catalogue.PREFERRED if model.backbone == catalogue.AUTO else model.backbone
    catalogue.check(backbone, weights=model.weights, arguments=model.backbone_args)
    if model.init_from and not Path(model.init_from).expanduser().is_file():
        raise UserError(f"init_from must be a trained model (.keras), got {model.init_from}: no such file")
    if cleared is None:
        return
    for name, value in (("backbone", model.backbone), ("weights", model.weights), ("init_from", model.init_from)):
        check_kept(name, value, cleared=cleared, by="--overwrite")


def check_classes(model: ModelConfig, class_names: Sequence[str]) -> None:
    """Checks that `init_from` was trained on these classes, where the files beside it tell on which.

    Raises:
      UserError: it was trained on others, or on the same in another order.
    """
    trained = list(classes_of(Path(model.init_from).expanduser()) or class_names) if model.init_from else class_names
    if list(trained) != list(class_names):
        before, now = listed(trained, limit=20), listed(class_names, limit=20)
        raise UserError(
            f"init_from {model.init_from} was trained on the classes {before}, and these are {now}: its answers would "
            "get the wrong names. Rename the classes, or keep its layers under a new head with "
            f"--backbone={model.init_from}"
        )


def classes_of(model: Path) -> list[str] | None:
    """The class names of a trained model, from the metrics or the run's record beside it; None where there are none."""
    metrics = read_json(model.with_name("metrics.json"))
    if metrics and "class_names" in metrics:
        return metrics["class_names"]
    phases = (read_json(model.parent.with_name("config.json")) or {}).get("phases", {})
    return phases.get(model.parent.name, {}).get("data", {}).get("class_names")
