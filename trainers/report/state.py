"""What state a run is in: a phase that is not finished yet, and one that ended before its last epoch."""

from ftdata.names import counted
from trainers.config import PHASES
from trainers.report.blocks import Text
from trainers.report.run_files import RunFiles


def unfinished(run: RunFiles) -> list[Text]:
    """A warning for each phase that has begun, or that the run was started for, and has no final numbers."""
    return [Text(_of_phase(run, name), is_warning=True) for name in open_phases(run)]


def open_phases(run: RunFiles) -> list[str]:
    """Those that the run was started for and that have no final numbers, in the order of training."""
    return [name for name in PHASES if name in run.record.get("phases", {}) and name not in run.phases]


def _of_phase(run: RunFiles, name: str) -> str:
    history, files = run.histories.get(name), run.run_dir.phase(name)
    if not run.run_dir.is_begun(name):
        said = f"Not finished: {name} has not begun"
    elif not files.is_begun:
        said = f"Not finished: of {name} the folds have begun, the model of all images has not"
    else:
        done = int(history[-1]["epoch"]) if history else 0
        said = f"Not finished: {name} has done {done:,} of {counted(_epochs(run, name), 'epoch')}"
    said += "; it is still running, or it was stopped and the same command goes on from the last checkpoint."
    if run.final:
        said += f" The numbers on this page are those of {run.final}."
    if files.best.is_file():
        said += f" Predict, evaluate and export take the best epoch of {name} so far, which has not seen the test set."
    return said


def stopped_early(run: RunFiles, name: str) -> str:
    """`, stopped early after 5 of 20 epochs`, of a finished phase; empty for one that did them all, or whose last epoch
    the folds chose."""
    history, metrics = run.histories.get(name), run.phases[name]
    if not history or "chosen_among" in metrics or not metrics.get("step"):
        return ""
    done, planned = int(history[-1]["epoch"]), _epochs(run, name)
    return f", stopped early after {done:,} of {counted(planned, 'epoch')}" if done < planned else ""


def still_rose(run: RunFiles, name: str) -> bool:
    """Whether the last epoch that a finished phase was to do is the one that was kept."""
    history, kept = run.histories.get(name), run.phases[name].get("epoch")
    return bool(history and kept == int(history[-1]["epoch"]) and not stopped_early(run, name))


def _epochs(run: RunFiles, name: str) -> int:
    return int(run.settings.get(f"{name}_epochs") or 0)
