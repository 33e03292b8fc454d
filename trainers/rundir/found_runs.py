"""Which folders hold runs. No TensorFlow."""

import os
from pathlib import Path

from ftdata.errors import UserError
from trainers.rundir.run_dir import RunDir, read_json

_DEEPEST = 4  # levels below a folder of runs


def is_run(root: Path) -> bool:
    """Whether a folder holds a run: its record, perhaps damaged, or an estimate without one."""
    run_dir = RunDir(root)
    try:
        record = read_json(run_dir.config)
    except UserError:
        return True  # who reads it says so
    is_own = isinstance(record, dict) and "phases" in record  # other programs have a config.json too
    return is_own or (run_dir.estimate / "metrics.json").is_file()


def runs_below(root: Path) -> list[Path]:
    """The folders below `root` that hold runs, in order; those of a run's folds are part of it."""
    found = []
    for folder, below, _ in os.walk(root):
        path = Path(folder)
        if path != root and is_run(path):
            found.append(path)
            below.clear()
        elif len(path.relative_to(root).parts) >= _DEEPEST:
            below.clear()
        below[:] = sorted(name for name in below if not name.startswith("."))
    return sorted(found)


def check(root: Path) -> None:
    """Raises UserError where neither the folder nor one below it holds a run."""
    if not is_run(root) and not runs_below(root):
        raise UserError(
            f"model_dir {root} holds no run, and no folder in it does: name the --model_dir of a run, or a folder of "
            "runs; python -m trainers.main --image_dir=FOLDER --model_dir=FOLDER makes one"
        )
