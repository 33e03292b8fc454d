"""What the files of a run say, read once, and where runs lie."""

import contextlib
import csv
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainers.config import PHASES
from trainers.evaluation.scores import Evaluation
from trainers.folds import left_out
from trainers.rundir import image_table
from trainers.rundir.progress import Row, read_history
from trainers.rundir.run_dir import RunDir, read_json

_LARGEST_TABLE = 16 * 2**20  # bytes of a predictions.csv that is read
_NAMED = ("dataset", "labels_csv", "records", "image_dir")
_SPLITS = ("train", "validation", "test")

Values = Mapping[str, Any]  # of a JSON file


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The rows of a predictions.csv: `names` of n files, and what a model of `class_names` said of them."""

    names: Sequence[str]
    class_names: Sequence[str]
    evaluation: Evaluation


@dataclasses.dataclass(frozen=True)
class RunFiles:
    """What the files of a run say; what is not there is empty.

    Attributes:
      run_dir: where they lie.
      record: config.json.
      phases: the metrics of each finished phase, in the order of training.
      histories: the epochs of each of them and of one that is running.
      evaluation: of the last evaluation, by the phase or by `--phase=evaluate`.
      folds: the histories of each fold's model, by the name of its folder.
      estimate: what to expect on new groups.
      findings: of the data doctor.
      exports: parity.json.
    """

    run_dir: RunDir
    record: Values
    phases: Mapping[str, Values]
    histories: Mapping[str, Sequence[Row]]
    evaluation: Values
    folds: Mapping[str, Mapping[str, Sequence[Row]]]
    estimate: Values
    findings: Values
    exports: Values

    @classmethod
    def read(cls, run_dir: RunDir) -> "RunFiles":
        """Reads them.

        Raises:
          UserError: one of them is damaged.
        """
        order = sorted(PHASES, key=lambda name: (PHASES[name].starts_from is not None, name))
        found = {name: read_json(run_dir.phase(name).metrics) for name in order}
        folds = {path.parent.name: RunDir(path.parent) for path in sorted(run_dir.folds.glob("*/config.json"))}
        return cls(
            run_dir,
            read_json(run_dir.config) or {},
            {name: metrics for name, metrics in found.items() if metrics},
            _histories(run_dir, order),
            read_json(run_dir.evaluation / "metrics.json") or {},
            {name: rows for name, fold in folds.items() if (rows := _histories(fold, order))},
            read_json(run_dir.estimate / "metrics.json") or {},
            read_json(run_dir.findings) or {},
            read_json(run_dir.export / "parity.json") or {},
        )

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.run_dir.root.resolve().name

    @property
    def final(self) -> str | None:
        """The last phase that is finished."""
        return list(self.phases)[-1] if self.phases else None

    @property
    def metrics(self) -> Values:
        """Of the final phase."""
        return self.phases[self.final] if self.final else {}

    @property
    def settings(self) -> Values:
        """By name, as the run was started; of an estimate alone those that it names."""
        return self.record.get("settings") or self.estimate.get("settings", {})

    @property
    def images(self) -> dict[str, int]:
        """How many images of each split the final phase was given; empty where that is not recorded."""
        data = self._data
        return {name: data[name]["images"] for name in _SPLITS if name in data}

    @property
    def fingerprint(self) -> dict[str, str]:
        """The digest of the contents of each split."""
        data = self._data
        return {name: data[name]["contents"] for name in _SPLITS if data.get(name, {}).get("images")}

    @property
    def class_names(self) -> Sequence[str]:
        """As the images have them; empty where that is not recorded."""
        return self._data.get("class_names", ())

    @property
    def _data(self) -> Values:
        recorded = self.record.get("phases", {})
        last = self.final or next(reversed(recorded), None)
        return recorded.get(last, {}).get("data", {})

    @property
    def data(self) -> str:
        """The data set by its name, or the folder or file that names the images."""
        named = (self.settings.get(name) for name in _NAMED)
        return next((value for value in named if value), None) or self.estimate.get("data_set") or "unknown"

    @property
    def evaluated_on(self) -> str | None:
        """What the last evaluation was of, where that was not the run's own test set."""
        name = self.evaluation.get("data_set")
        own = {self.settings.get(key) for key in _NAMED} | {self._data.get("data_set")}
        return None if name in {None, *own} else name

    @property
    def backbone(self) -> str:
        """The network, and the side of its images in pixels, with their channels where those are not three."""
        side, channels = self.settings.get("image_size"), self.settings.get("channels", 3)
        size = f", {side}x{side}" if side else ""
        return f"{self.settings.get('backbone', 'unknown')}{size}{f'x{channels}' if size and channels != 3 else ''}"

    @property
    def is_evaluated(self) -> bool:
        """Whether `--phase=evaluate` has looked at the final model; a phase that ends looks at less."""
        mine, evaluated = self.metrics.get("weights_sha256"), self.evaluation.get("weights_sha256")
        return (
            mine is not None
            and mine == evaluated
            and bool({"expected_calibration_error", "map_on_images_not_trained_on"} & self.evaluation.keys())
        )

    @functools.cached_property
    def predictions(self) -> Predictions | None:
        """Of the last evaluation; None where there are none, or too many for a page."""
        path, class_names = self.run_dir.evaluation / "predictions.csv", self.evaluation.get("class_names", ())
        if self.evaluation.get("task") == "multi":
            return None  # what stands there are sets of labels
        if not path.is_file() or path.stat().st_size > _LARGEST_TABLE:
            return None
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
            rows = list(csv.reader(stream))[1:]
        if not rows or len(rows[0]) != 3 + len(class_names):
            return None
        places = {name: place for place, name in enumerate(class_names)}
        labels = np.array([places[row[1]] for row in rows], np.int32)
        probabilities = np.array([row[3:] for row in rows], np.float64)
        # written with six decimals; of equal ones the class that was written as predicted is to win
        probabilities[np.arange(len(rows)), [places[row[2]] for row in rows]] += 1e-9
        scored = Evaluation(np.log(np.maximum(probabilities, 1e-7)), labels)
        return Predictions([row[0] for row in rows], class_names, scored)

    @functools.cached_property
    def left_out(self) -> Evaluation | None:
        """Of each training image by the model of the fold that left it out, in the final phase; None without folds.

        Raises:
          UserError: the file is damaged.
        """
        return left_out.read(self.run_dir, self.final) if self.final else None

    @functools.cached_property
    def names(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """The class and the name of each image, by split: all that the receipt lists, else the test set alone as its
        predictions name it; empty where neither does, or they are too many for a page."""
        path = self.run_dir.receipt_images
        if path.is_file() and path.stat().st_size <= _LARGEST_TABLE:
            with contextlib.suppress(ValueError):  # verify says what is wrong with it
                return image_table.names_by_split(path.read_bytes())
        found = self.predictions
        if found is None or self.evaluated_on or self.evaluation.get("phase") != self.final:
            return {}
        classes = [found.class_names[label] for label in found.evaluation.labels]
        return {"test": list(zip(classes, found.names, strict=True))}


def _histories(run_dir: RunDir, phases: Sequence[str]) -> dict[str, Sequence[Row]]:
    paths = {name: run_dir.phase(name).history for name in phases}
    return {name: rows for name, path in paths.items() if path.is_file() and (rows := read_history(path))}
