"""The trials of a search: each a process of its own, its result kept, none done twice."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from ftdata.log import log
from ftdata.names import counted
from trainers.config import TrainConfig, as_dict, from_dict
from trainers.rundir.fingerprint import data_differences
from trainers.rundir.run_dir import RunDir
from trainers.runtime.signals import StopRequest
from trainers.search import trial_process
from trainers.search.clock import Clock
from trainers.search.state import State

HEADS, FINE_TUNED = "heads", "trials"  # kinds of them, as search.json has them


@dataclasses.dataclass(frozen=True)
class Trial:
    """What is tried.

    Attributes:
      name: of it, for people.
      network: settings of ModelConfig.
      changes: further settings, the recipe.
    """

    name: str
    network: Mapping[str, Any]
    changes: Mapping[str, Any]

    @property
    def network_name(self) -> str:
        """`MobileNetV2 0.35`."""
        return network_name(self.network)


def network_name(network: Mapping[str, Any]) -> str:
    """`MobileNetV2 0.35` of its settings."""
    return " ".join([network["backbone"], *map(str, (network["backbone_args"] or {}).values())])


@dataclasses.dataclass(frozen=True)
class Trials:
    """What runs them.

    Attributes:
      base: the settings that all have.
      budget_s: the time for everything.
      run_dir: of the search.
      state: what it knows.
      clock: how much time is used.
      stop: tells when somebody asks to stop.
      failed: names of those that have failed in this start.
    """

    base: TrainConfig
    budget_s: float
    run_dir: RunDir
    state: State
    clock: Clock
    stop: StopRequest
    failed: set[str] = dataclasses.field(default_factory=set)

    def config(self, trial: Trial, *, phase: str = "finetune", run_dir: RunDir | None = None) -> TrainConfig:
        """The settings of a trial, in its own folder or in that of `run_dir`."""
        root = (run_dir or self.folder(trial)).root
        settled = (self.state.get("settled") or {}).get(trial.network_name, {})
        values = {**as_dict(self.base), **settled, **trial.network, **trial.changes}
        values |= {"phase": phase, "model_dir": str(root)}
        return from_dict(values)

    def folder(self, trial: Trial) -> RunDir:
        """Where a trial keeps what it does."""
        return RunDir(self.run_dir.trials / _file_name(trial.name))

    def do(self, trial: Trial, job: str, *, folds: int = 0) -> dict[str, Any] | None:
        """Runs a job of a trial; what came out, or None where it failed, which is said and kept."""
        request = {"job": job, "settings": as_dict(self.config(trial)), "folds": folds}
        try:
            found = trial_process.run(self.folder(trial).root, request, stop=self.stop)
        except trial_process.TrialFailed as error:
            log.warning(f"warning: {trial.name} is left out: {error}")
            self.state.fail(trial.name, str(error))
            self.failed.add(trial.name)
            return None
        # the images are looked at in each trial: they may change while a search is stopped
        self.state.compare("data", found.pop("data"), data_differences)
        return found

    def judge(self, kind: str, trial: Trial, job: str, *, planned_s: float, folds: int = 0) -> None:
        """Runs a job that judges a trial, and keeps what came out and what it took."""
        known = self.state.result(kind, trial.name)
        key = f"{trial.name}: {job} {folds}"
        is_resumed = key in (self.state.get("began") or {})
        began = self.state.begin(key, self.clock.used)
        of_folds = f", {counted(folds, 'fold')}" if folds else ""
        log.info(f"  trying {trial.name}{of_folds}: about {minutes(self.pace() * planned_s)}")
        found = self.do(trial, job, folds=folds)
        if found is None:
            return
        seconds = self.clock.used - began
        total = seconds + (known.seconds if known else 0.0)
        self.state.add(kind, trial.name, {**found, "seconds": round(total, 1)})
        if kind == FINE_TUNED and not is_resumed:
            self.state.add("paces", key, [round(seconds, 1), round(planned_s, 1)])
        judged = self.state.result(kind, trial.name)
        assert judged
        log.info(
            f"  {trial.name}: accuracy {judged.accuracy:.1%} in the mean over {len(judged.scores)} left out "
            f"({minutes(seconds)}; {minutes(self.clock.used)} of {minutes(self.budget_s)} used)"
        )

    def pace(self) -> float:
        """Seconds that fine-tuning took for each that was planned; 1 as long as there was none."""
        taken = (self.state.get("paces") or {}).values()
        return max(0.5, sum(pace[0] for pace in taken) / sum(pace[1] for pace in taken)) if taken else 1.0

    def drop(self, name: str, reason: str) -> None:
        """Leaves a trial out for good, and says so."""
        self.state.add("dropped", name, reason)
        log.info(f"  {name} is dropped: {reason}")

    def is_out(self, name: str) -> bool:
        """Whether a trial is dropped, or has failed in this start, or twice."""
        return name in self.failed or not self.state.may_be_tried(name)

    def why_none(self) -> str:
        """For an error: no trial came to an end."""
        reasons = [failure["reason"] for failure in (self.state.get("failures") or {}).values()]
        return (
            f"time_budget: no trial came to an end, the last one because {reasons[-1] if reasons else 'of no time'}. "
            "The same command tries those once more that have failed once; --overwrite starts over"
        )


def minutes(seconds: float) -> str:
    """`1.5 min`, `40 s`."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", name)
