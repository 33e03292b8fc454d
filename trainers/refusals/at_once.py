"""All that can be asked of a command line."""

import contextlib
from pathlib import Path

from trainers.config import USING_PHASES, TrainConfig
from trainers.refusals import beginning, use
from trainers.rundir.run_dir import RunDir
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
            use.check(config, run_dir)
        else:
            beginning.check(config, run_dir)
