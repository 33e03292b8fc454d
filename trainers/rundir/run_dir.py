"""Every path below model_dir, in one place, and files that appear whole or not at all."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ftdata import atomic
from ftdata.errors import UserError


@dataclasses.dataclass(frozen=True)
class PhaseDir:
    """The files of one phase, below its folder `root`."""

    root: Path

    @property
    def checkpoints(self) -> Path:
        """Everything that decides the next step, by step."""
        return self.root / "checkpoints"

    @property
    def kept(self) -> Path:
        """Checkpoints that stay, for `--phase=verify`."""
        return self.root / "kept"

    @property
    def best(self) -> Path:
        """The model of the best epoch."""
        return self.root / "best.keras"

    @property
    def backbone_weights(self) -> Path:
        """The backbone alone, for `--weights`."""
        return self.root / "backbone.weights.h5"

    @property
    def history(self) -> Path:
        """A row for each epoch."""
        return self.root / "history.csv"

    @property
    def curves(self) -> Path:
        """The rows as a figure."""
        return self.root / "history.png"

    @property
    def augmented(self) -> Path:
        """The first training images of the phase as the model sees them."""
        return self.root / "augmented.png"

    @property
    def metrics(self) -> Path:
        """The final numbers; its presence says that the phase is finished."""
        return self.root / "metrics.json"

    @property
    def is_begun(self) -> bool:
        """Whether the phase has left anything that was computed."""
        return self.metrics.exists() or self.best.exists() or any(self.checkpoints.glob("step-*"))


@dataclasses.dataclass(frozen=True)
class RunDir:
    """The files of a run, below model_dir, its folder `root`: `RunDir(root).phase("finetune").best`."""

    root: Path

    def check(self) -> None:
        """Checks that the folder is one or can be made, and can be written to; makes nothing.

        Raises:
          UserError: why it cannot be used.
        """
        try:
            existing = next(path for path in (self.root, *self.root.parents) if path.exists())
        except OSError as error:
            raise UserError(f"model_dir {self.root} cannot be used: {error.strerror}") from None
        if not existing.is_dir():
            raise UserError(f"model_dir must be a folder, got a file: {existing}")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise UserError(f"model_dir {self.root} cannot be written: {existing} is read-only for this user")

    @property
    def config(self) -> Path:
        """Settings, versions and command line."""
        return self.root / "config.json"

    @property
    def report(self) -> Path:
        """All of the results on one page, made of the other files."""
        return self.root / "report.html"

    @property
    def receipt(self) -> Path:
        """What the run was computed from and has computed, in digests."""
        return self.root / "receipt.json"

    @property
    def receipt_images(self) -> Path:
        """The digest of each image and data file, which the receipt stands for."""
        return self.root / "receipt_images.txt"

    @property
    def samples(self) -> Path:
        """Some training images with their labels."""
        return self.root / "samples.png"

    @property
    def findings(self) -> Path:
        """What the data doctor has found in the images of the run."""
        return self.root / "check.json"

    @property
    def bad_images(self) -> Path:
        """The images that were skipped, a line for each: name, tab, reason."""
        return self.root / "bad_images.txt"

    @property
    def seen_images(self) -> Path:
        """Digests of the images that the run was trained on, chosen by and tested on."""
        return self.root / "seen_images.npz"

    @property
    def evaluation(self) -> Path:
        """The last phase's model on the test set."""
        return self.root / "evaluation"

    @property
    def export(self) -> Path:
        """The model in files for others."""
        return self.root / "export"

    @property
    def folds(self) -> Path:
        """A run for each fold, in a folder of its name, and what they chose."""
        return self.root / "folds"

    @property
    def search(self) -> Path:
        """What a search for the best model was asked for, has tried and has chosen."""
        return self.root / "search.json"

    @property
    def tracking(self) -> Path:
        """The run on a tracking server that stands for this one."""
        return self.root / "tracking.json"

    @property
    def search_seconds(self) -> Path:
        """How much of its time a search has used."""
        return self.root / "search_seconds.json"

    @property
    def trials(self) -> Path:
        """A folder for each trial of a search."""
        return self.root / "trials"

    @property
    def estimate(self) -> Path:
        """What to expect on new groups of images."""
        return self.root / "estimate"

    @property
    def find_learning_rate(self) -> PhaseDir:
        """What a learning-rate range test has found: `metrics`, `history` (a row for each step) and `curves`."""
        return PhaseDir(self.root / "find_learning_rate")

    def is_begun(self, phase: str) -> bool:
        """Whether a phase has left anything that was computed, in the run itself or in a fold of it."""
        folds = (PhaseDir(config.parent / phase) for config in self.folds.glob("*/config.json"))
        return self.phase(phase).is_begun or any(fold.is_begun for fold in folds)

    def phase(self, name: str) -> PhaseDir:
        """The folder of the phase `name`."""
        return PhaseDir(self.root / name)

    def logs(self, phase: str) -> Path:
        """TensorBoard event files, in `train` and `validation`."""
        return self.root / "logs" / phase

    def hparams(self, phase: str) -> Path:
        """TensorBoard's event file of the finished phase, for its table of runs."""
        return self.logs(phase) / "hparams"


class WriteFailed(OSError):
    """A file could not be written: no space, no permission."""

    def __init__(self, path: Path, error: OSError):
        super().__init__(
            f"cannot write {path}: {error.strerror or error}. What the last checkpoint holds is safe: make room or "
            "make the folder writable, and the same command (without --overwrite) resumes from there"
        )


def remove_leftovers(run_dir: RunDir) -> None:
    """Removes what a run that was killed left under temporary names."""
    for pattern in (".tmp-*", "*/.tmp-*", "*/*/.tmp-*"):
        for path in run_dir.root.glob(pattern):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Lets `write` fill a temporary file beside `path`, then renames it, so no reader sees half a file.

    Raises:
      WriteFailed: no space, no permission; what was at `path` is still there.
    """
    try:
        atomic.write(path, write)
    except OSError as error:
        raise error if isinstance(error, WriteFailed) else WriteFailed(path, error) from error


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes `values` as indented JSON, atomically."""
    text = _indented(values, "\n") + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _indented(value: Any, line: str) -> str:
    """As `json.dumps(value, indent=2)`, with lists of numbers, such as the rows of a matrix, in one line each."""
    deeper = f"{line}  "
    if isinstance(value, Mapping) and value:
        parts = [f"{json.dumps(str(key))}: {_indented(part, deeper)}" for key, part in value.items()]
        return f"{{{deeper}{f',{deeper}'.join(parts)}{line}}}"
    if isinstance(value, list | tuple) and any(isinstance(part, str | list | tuple | Mapping) for part in value):
        return f"[{deeper}{f',{deeper}'.join(_indented(part, deeper) for part in value)}{line}]"
    return json.dumps(value)


def read_json(path: Path) -> dict[str, Any] | None:
    """The values of a JSON file, or None where there is no such file.

    Raises:
      UserError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:  # no JSON, or no text at all
        raise UserError(f"{path} is damaged ({error}): remove it, or start over with --overwrite") from None
