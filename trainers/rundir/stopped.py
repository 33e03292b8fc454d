"""What becomes of a run that a signal has stopped. No TensorFlow."""

from pathlib import Path

from trainers.config import PHASES, TRAINING_PHASES, TrainConfig
from trainers.rundir.run_dir import RunDir


def in_words(config: TrainConfig, *, since: float) -> str:
    """What the user can expect of the folder, and of the command when it is given again.

    Args:
      config: of the run.
      since: when it began, seconds since the epoch: with --overwrite, what is older is of the run before.
    """
    if config.phase == "estimate":
        return "--phase=estimate starts over when it is given again, and reads the features that were kept"
    if config.phase == "serve":
        return "what had been asked before was answered, and --phase=serve starts again"
    if config.phase not in TRAINING_PHASES:
        return f"--phase={config.phase} starts over when it is given again, and the files it has finished are whole"
    run_dir = RunDir(Path(config.model_dir).expanduser())
    is_older = config.overwrite and not _is_since(run_dir.config, since)
    if is_older and any(map(run_dir.is_begun, PHASES)):
        return f"nothing was deleted yet: {run_dir.root} still holds the run from before"
    command = "the same command without --overwrite" if config.overwrite and not is_older else "the same command"
    if any(map(run_dir.is_begun, PHASES)):
        return f"{command} resumes from the last checkpoint"
    if run_dir.search.is_file() and not is_older:
        return f"{command} resumes the search: its finished trials are kept"
    return "it had not come to its first checkpoint, so the same command starts from the beginning"


def _is_since(path: Path, since: float) -> bool:
    try:
        return path.stat().st_mtime >= since
    except OSError:
        return False
