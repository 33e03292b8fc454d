"""`--phase=report`: the page of a run, or those of all runs below a folder and the index that compares them."""

from pathlib import Path
from typing import Any

from ftdata.log import log
from ftdata.names import counted
from trainers.config import TrainConfig
from trainers.report import index, page
from trainers.rundir import found_runs
from trainers.rundir.run_dir import RunDir
from trainers.runtime.signals import StopRequest


def run(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    """Writes report.html into `config.model_dir`, or index.html and what is missing or older below it.

    Returns:
      `written`, the paths of the files written.

    Raises:
      UserError: neither the folder nor one below it holds a run, or a file of the run is damaged.
      Interrupted: somebody asked to stop.
    """
    root = Path(config.model_dir).expanduser()
    if found_runs.is_run(root):
        page.write(RunDir(root))
        log.info(f"the report is {RunDir(root).report}")
        return {"written": [str(RunDir(root).report)]}
    found_runs.check(root)
    runs, written = found_runs.runs_below(root), list[str]()
    for folder in stop.between(runs):
        if page.is_outdated(RunDir(folder)) and page.refresh(RunDir(folder)):
            written.append(str(RunDir(folder).report))
    written.append(str(index.write(root, runs)))
    log.info(f"{counted(len(runs), 'run')}, {counted(len(written) - 1, 'report')} written; all are in {written[-1]}")
    return {"written": written}
