"""What of a run is written to a tracking server, and when: everything once, however often the run is resumed.

Points of both phases lie on one axis, the steps since the run began. A point is known by its step, so that an epoch
that comes again after a restart, bit for bit, is not written again, and one that the server missed is written later.
"""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftdata.log import log
from trainers.config import Phase
from trainers.rundir.progress import Row, read_history
from trainers.rundir.run_dir import RunDir, read_json, write_json
from trainers.runtime.signals import Interrupted
from trainers.tracking import backend as backends
from trainers.tracking.backend import Backend, Written
from trainers.training.callbacks import Logs, Watcher

_EPOCH = "epoch"  # the metric that every point of an epoch has
_OF_AN_EPOCH = ("loss", "accuracy", "learning_rate", "images_per_second", "input_wait_fraction", "seconds")


class TrackedRun:
    """A run on a tracking server, or nothing where none is asked for. The training is worth more: a server that is out
    of reach is one warning, and gets nothing until the next start.

    Args:
      name: of the backend, or `none`.
      run_dir: of the run, which keeps the id that the server has given it.
    """

    def __init__(self, name: str, run_dir: RunDir):
        self.name, self.run_dir = name, run_dir
        self._backend: Backend | None = None
        self._written = Written(frozenset(), frozenset(), frozenset())

    def start(self, settings: Mapping[str, Any]) -> None:
        """Opens the run on the server, the one that the run dir names where there is one.

        Args:
          settings: of the run, JSON values by name.
        """
        if self.name == "none":
            return
        with self._warning():
            found = backends.connect(self.name, runs=self.run_dir.root.resolve().parent)
            kept = read_json(self.run_dir.tracking) or {}
            run_id = kept.get("run") if (kept.get("track"), kept.get("uri")) == (self.name, found.uri) else None
            started = found.start(run_id, name=self.run_dir.root.resolve().name)
            write_json(self.run_dir.tracking, {"track": self.name, "uri": found.uri, "run": started})
            self._backend, self._written = found, found.written(_EPOCH)
            new = {name: _text(value) for name, value in settings.items() if value is not None}
            found.parameters({name: value for name, value in new.items() if name not in self._written.parameters})
            log.info(f"{self.name}: {'the same ' if started == run_id else ''}run {started} at {found.uri}")

    def callbacks(self, phase: Phase, *, phases: Sequence[Phase]) -> list[Watcher]:
        """What writes the epochs of `phase`, of `phases` in order, as they end."""
        return [_Epochs(self, self._steps_before(phase, phases))] if self._backend else []

    def finish(self, phase: Phase, metrics: Mapping[str, Any], *, phases: Sequence[Phase]) -> None:
        """Writes the final numbers of a phase, the epochs that the server lacks, and the report."""
        if self._backend is None:
            return
        before = self._steps_before(phase, phases)
        for row in read_history(self.run_dir.phase(phase.name).history):
            self.epoch(row, before=before)
        final = {f"{phase.name}/{name}": value for name, value in metrics.items() if _is_number(value)}
        new = {name: value for name, value in final.items() if name not in self._written.metrics}
        if new:
            self._write(new, step=before + metrics["step"])
        self.artifacts()

    def epoch(self, row: Row, *, before: int) -> None:
        """Writes a row of the history of a phase that began after `before` steps, unless there is one at its step."""
        step = before + int(row["step"])
        if step in self._written.steps:
            return
        names = [name for name in row if name in _OF_AN_EPOCH or name.startswith("validation_")]
        values = {name: float(row[name]) for name in names if _is_number(row[name])}
        self._write({**values, _EPOCH: float(row["epoch"])}, step=step)

    def artifacts(self) -> None:
        """Hands over the report and the model card, where they are."""
        for path in (self.run_dir.report, self.run_dir.export / "MODEL_CARD.md"):
            if path.is_file():
                self._call("artifact", path)

    def end(self, outcome: str) -> None:
        """Closes the run on the server: `finished`, `stopped` or `failed`."""
        self._call("end", outcome)

    @contextlib.contextmanager
    def ended(self) -> Iterator[None]:
        """Closes the run at the end of the block, with how that ends."""
        try:
            yield
        except Interrupted:
            self.end("stopped")
            raise
        except BaseException:
            self.end("failed")
            raise
        self.end("finished")

    def _write(self, values: Mapping[str, float], *, step: int) -> None:
        if self._call("metrics", values, step=step):
            steps = self._written.steps | ({step} if _EPOCH in values else set())
            self._written = self._written._replace(steps=steps, metrics=self._written.metrics | set(values))

    def _call(self, method: str, *arguments: Any, **named: Any) -> bool:
        """Calls a method of the backend; whether that was done."""
        if self._backend is not None:
            with self._warning():
                getattr(self._backend, method)(*arguments, **named)
                return True
        return False

    @contextlib.contextmanager
    def _warning(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever the library raises
            self._backend = None
            reason = (str(error).splitlines() or [""])[0][:200]
            log.warning(
                f"warning: {self.name} gets nothing further until the next start: {type(error).__name__}: {reason}"
            )

    def _steps_before(self, phase: Phase, phases: Sequence[Phase]) -> int:
        earlier = phases[: [other.name for other in phases].index(phase.name)]
        found = [read_json(self.run_dir.phase(other.name).metrics) for other in earlier]
        return sum(metrics["step"] for metrics in found if metrics)


class _Epochs(Watcher):
    """Writes each epoch as it ends."""

    def __init__(self, run: TrackedRun, before: int):
        super().__init__()
        self.run, self.before = run, before

    def on_starting_point(self, logs: Logs) -> None:
        """Writes the scores of the model that the phase starts from."""
        self._epoch(0, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Writes the means and the validation scores of the epoch."""
        self._epoch(epoch + 1, logs or {})

    def _epoch(self, epoch: int, logs: Logs) -> None:
        row = {name.replace("val_", "validation_"): value for name, value in logs.items()}
        self.run.epoch({**row, "epoch": epoch}, before=self.before)


def attach(name: str, model_dir: str) -> None:
    """Hands over the report and the model card of a run that is tracked, as another command has left them."""
    run_dir = RunDir(Path(model_dir).expanduser())
    if name == "none" or not run_dir.tracking.is_file():
        return
    run = TrackedRun(name, run_dir)
    run.start({})
    run.artifacts()
    run.end("finished")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
