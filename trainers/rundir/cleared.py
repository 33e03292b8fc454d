"""What starting over removes of a run, and files that must not lie there. No TensorFlow."""

import shutil
from pathlib import Path

from ftdata.errors import UserError
from trainers.config import PHASES
from trainers.config.model import hub_folder
from trainers.rundir.run_dir import RunDir


def clear(run_dir: RunDir) -> None:
    """Removes what a run wrote, and nothing else; config.json last, so that half of it is not taken for another run."""
    folders = ("folds", "estimate", "find_learning_rate", "evaluation", "export", "logs", "trials")
    for name in (*PHASES, *folders):
        shutil.rmtree(run_dir.root / name, ignore_errors=True)
    files = (run_dir.search, run_dir.search_seconds, run_dir.seen_images, run_dir.findings, run_dir.report)
    for path in (*files, run_dir.tracking, run_dir.receipt, run_dir.receipt_images):
        path.unlink(missing_ok=True)
    run_dir.config.unlink(missing_ok=True)


def check_kept(name: str, value: str | None, *, cleared: Path, by: str) -> None:
    """Checks that a file that a setting names is not in a folder that is about to be cleared.

    Args:
      name: of the setting.
      value: of it.
      cleared: the folder.
      by: what clears it.

    Raises:
      UserError: it is.
    """
    folder = hub_folder(value)
    path = Path(folder or value or "").expanduser()
    if (folder or path.is_file()) and path.resolve().is_relative_to(cleared.resolve()):
        raise UserError(f"{name} {value} lies in {cleared}, which {by} clears: copy it elsewhere first")
