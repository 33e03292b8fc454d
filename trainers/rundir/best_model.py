"""The trained model of a run: where it lies. No TensorFlow."""

from pathlib import Path

from ftdata.errors import UserError
from ftdata.names import what_is_at
from trainers.rundir.run_dir import RunDir

_LATEST_FIRST = ("finetune", "transfer", "pretrain")


def of_run(run_dir: RunDir) -> Path:
    """The best model of the last phase that has one.

    Raises:
      UserError: nothing was trained there yet.
    """
    for phase in _LATEST_FIRST:
        path = run_dir.phase(phase).best
        if path.is_file():
            return path
    there = "holds no trained model" if run_dir.root.is_dir() else what_is_at(run_dir.root, missing="is not there")
    raise UserError(
        f"model_dir {run_dir.root} {there}: name the --model_dir of a run (it has finetune/best.keras or "
        f"transfer/best.keras), or train one: python -m trainers.main --image_dir=FOLDER --model_dir={run_dir.root}"
    )


def check_file(path: Path) -> None:
    """Raises UserError for what is no file of a trained model."""
    if not path.is_file() or path.suffix != ".keras":
        there = what_is_at(path, missing="no such file")
        raise UserError(f"model must be a trained model (a .keras file) or imagenet, got {path}: {there}")
