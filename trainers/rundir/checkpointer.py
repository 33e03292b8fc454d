"""A phase on disk while it trains: checkpoints, the best model and the history, in one order.

A checkpoint is the unit: it holds the best model and the history too. `best.keras` and `history.csv` of the phase
are written from it after it has its name, and again at a restart, so they never tell of steps it does not hold.
"""

import contextlib
import dataclasses
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import keras
import numpy as np

from ftdata.atomic import temporary_name
from ftdata.errors import UserError
from trainers.rundir import checkpoint, divergence
from trainers.rundir.progress import Progress, Row, write_history
from trainers.rundir.run_dir import PhaseDir, WriteFailed, write_atomically
from trainers.runtime.processes import ProcessGroup

VariableGroups = Mapping[str, Sequence[keras.Variable]]
Saved = Callable[[Path, int, Mapping[str, np.ndarray], Row], None]  # where, step, values, state


def _nothing(path: Path, step: int, arrays: Mapping[str, np.ndarray], state: Row) -> None:
    pass


class BackgroundWriter:
    """One thread that writes one thing at a time, in order.

    An error in it is raised at the next `submit` or `wait`, or at the end of the `with` block, which waits.
    `seconds` is what writing took.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._running: Future[Any] | None = None

    def submit(self, write: Callable[[], Any]) -> None:
        """Starts to write, when what was submitted before is written."""
        self.wait()
        self._running = self._pool.submit(self._timed, write)

    def wait(self) -> None:
        """Returns when everything is written."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def _timed(self, write: Callable[[], Any]) -> None:
        start = time.perf_counter()
        try:
            write()
        finally:
            self.seconds += time.perf_counter() - start

    def __enter__(self) -> "BackgroundWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(Exception) if error else contextlib.nullcontext():  # the first error is the cause
            self.wait()
        self._pool.shutdown()


class Checkpointer:
    """Saves and restores the training state of one phase.

    `save` copies the state and returns; a thread writes it while training continues. The `with` block waits for what
    is being written, and raises what went wrong there.

    Example::

        with Checkpointer(run_dir.phase("transfer"), groups={"weights": model.weights}) as checkpointer:
            progress = checkpointer.restore()
            ...
            checkpointer.save(progress)
            checkpointer.finish(progress)

    Args:
      files: of the phase.
      groups: the variables that decide the next step, by a name for each group.
      saved: is told, by the thread that writes, of every checkpoint that has its name.

    Attributes:
      step: of the newest checkpoint that is written.
    """

    def __init__(self, files: PhaseDir, *, groups: VariableGroups, saved: Saved = _nothing):
        self.files = files
        self._groups, self._saved = groups, saved
        self._writer = BackgroundWriter()
        self.step = 0  # of the newest checkpoint that is written
        self._best: Path | None = None  # a file of its own until a checkpoint holds it

    def restore(self) -> Progress:
        """Assigns the values of the newest checkpoint that is whole; without one, the phase is at its beginning.

        Raises:
          UserError: it was written by another version of this program.
        """
        newest = checkpoint.latest(self.files.checkpoints)
        if newest is None:
            return Progress()
        progress = progress_at(newest, groups=self._groups)
        self._best = checkpoint.best_model(newest) if progress.best else None
        self.step = progress.step
        self._writer.seconds = progress.checkpoint_write_seconds
        self._publish(progress.history, self._best)
        return progress

    def keep_best(self, progress: Progress, *, write: Callable[[Path], Any]) -> None:
        """Makes what `write` writes the best model, from the next checkpoint on."""
        start = time.perf_counter()
        best = temporary_name(self.files.checkpoints / f"best-{progress.step:09d}.keras")
        try:
            best.parent.mkdir(parents=True, exist_ok=True)
            write(best)
        except OSError as error:
            raise WriteFailed(self.files.best, error) from error
        self._best = best
        progress.checkpoint_stall_seconds += time.perf_counter() - start

    def save(self, progress: Progress) -> None:
        """Copies the state; a thread writes it while training continues.

        Raises:
          WriteFailed: the checkpoint before this one could not be written.
          Diverged: its values are not finite.
        """
        start = time.perf_counter()
        progress.checkpoint_write_seconds = self._writer.seconds
        arrays, state, step, best = (
            checkpoint.copied(self._groups),
            dataclasses.asdict(progress),
            progress.step,
            self._best,
        )
        self._writer.submit(lambda: self._write(step, arrays, state, best))
        if best:
            self._best = checkpoint.best_model(checkpoint.path_of(self.files.checkpoints, step))
        progress.checkpoint_stall_seconds += time.perf_counter() - start

    def finish(self, progress: Progress) -> None:
        """Returns when everything is written."""
        start = time.perf_counter()
        self._writer.wait()
        progress.checkpoint_stall_seconds += time.perf_counter() - start
        progress.checkpoint_write_seconds = self._writer.seconds

    def _write(self, step: int, arrays: Mapping[str, np.ndarray], state: dict[str, Any], best: Path | None) -> None:
        divergence.check_values(arrays, step=step)
        path = checkpoint.save(self.files.checkpoints, step=step, arrays=arrays, state=state, best=best)
        self.step = step
        self._saved(path, step, arrays, state)
        is_new = best is not None and best.parent == self.files.checkpoints
        self._publish(state["history"], checkpoint.best_model(path) if is_new else None)
        if best and is_new:
            best.unlink()

    def _publish(self, history: list[Row], best: Path | None) -> None:
        if history:
            write_history(self.files.history, history)
        if best:
            # a copy, not a link: whoever changes it in place must not change the checkpoint
            write_atomically(self.files.best, lambda temporary: shutil.copyfile(best, temporary))

    def __enter__(self) -> "Checkpointer":
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            self._writer.__exit__(*error)
        finally:
            for unused in self.files.checkpoints.glob(".tmp-*-best-*"):  # no checkpoint came to hold it
                unused.unlink(missing_ok=True)


def progress_at(path: Path, *, groups: VariableGroups) -> Progress:
    """Assigns the values of a checkpoint; returns how far the phase was.

    Raises:
      UserError: it was written by another version of this program, or for another model.
    """
    state = checkpoint.restore(path, groups=groups)
    if set(state) != set(dataclasses.asdict(Progress())):
        raise UserError(f"checkpoint {path} was written by another version of this program: use that, or --overwrite")
    return Progress(**state)


class NullCheckpointer:
    """In the place of a Checkpointer in a worker that writes nothing: rank 0 keeps what all of them train."""

    def __init__(self) -> None:
        self.step = 0

    def keep_best(self, progress: Progress, *, write: Callable[[Path], Any]) -> None:
        """Does nothing: rank 0 keeps it."""

    def save(self, progress: Progress) -> None:
        """Records the step."""
        self.step = progress.step

    def finish(self, progress: Progress) -> None:
        """Nothing is being written."""

    def __enter__(self) -> "NullCheckpointer":
        return self

    def __exit__(self, *error: Any) -> None:
        pass


def restore(
    checkpointer: Checkpointer | NullCheckpointer, *, groups: VariableGroups, processes: ProcessGroup
) -> Progress:
    """Restores rank 0's newest checkpoint, or its start of the phase, in every worker.

    Args:
      checkpointer: that of rank 0, or the NullCheckpointer of another worker.
      groups: the variables to restore, those of the checkpointer.
      processes: that train together.

    Returns:
      How far the phase is.

    Raises:
      UserError: the checkpoint was written by another version of this program, or for another model.
    """

    def state() -> dict[str, Any]:
        assert isinstance(checkpointer, Checkpointer), "rank 0 has one"
        return dataclasses.asdict(checkpointer.restore())

    progress = Progress(**processes.broadcast_object(state))
    processes.broadcast_variables([variable for group in groups.values() for variable in group])
    checkpointer.step = progress.step
    return progress
