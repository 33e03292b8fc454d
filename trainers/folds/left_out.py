"""What the folds say of the images that they left out, kept for what is chosen later: a row for each training image."""

from pathlib import Path

import numpy as np

from ftdata.errors import UserError
from trainers.evaluation.scores import Evaluation
from trainers.rundir.run_dir import RunDir, write_atomically


def keep(run_dir: RunDir, phase: str, scored: Evaluation) -> None:
    """Writes the label and the logits of each image, float32 [n, 1 + num_classes]."""
    rows = np.column_stack([scored.labels, scored.logits]).astype(np.float32)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.save(stream, rows, allow_pickle=False)

    write_atomically(_path(run_dir, phase), write)


def is_there(run_dir: RunDir, phase: str) -> bool:
    """Whether `keep` wrote it."""
    return _path(run_dir, phase).is_file()


def read(run_dir: RunDir, phase: str) -> Evaluation | None:
    """What `keep` wrote; None where no folds have chosen in this phase.

    Raises:
      UserError: the file is damaged.
    """
    if not is_there(run_dir, phase):
        return None
    path = _path(run_dir, phase)
    try:
        rows = np.load(path, allow_pickle=False)
        rows[:, 1:]  # of two dimensions
    except (ValueError, EOFError, IndexError, TypeError) as error:
        raise UserError(
            f"{path} is damaged ({type(error).__name__}): remove it, and the same command that trained the run writes "
            "it again out of the scores of the folds"
        ) from None
    return Evaluation(rows[:, 1:].astype(np.float64), rows[:, 0].astype(np.int32))


def _path(run_dir: RunDir, phase: str) -> Path:
    return run_dir.folds / f"{phase}_left_out.npy"
