"""The trained model of a run or of a file: where it lies, its classes, and how images are brought to it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from ftdata.config import DataConfig
from ftdata.decoding.decode import Decoding
from ftdata.errors import UserError
from ftdata.log import log
from trainers.models import folding, starting_point
from trainers.models.class_names import of_lines
from trainers.models.classifier import load_classifier
from trainers.rundir import best_model
from trainers.rundir.run_dir import RunDir, read_json


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A trained model in a file.

    Attributes:
      path: of the .keras file.
      class_names: in the order of its probabilities.
      settings: of its run by name, JSON values; empty where they are not recorded beside it.
      metrics: of the phase that made it, JSON values; empty likewise.
    """

    path: Path
    class_names: tuple[str, ...]
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]

    @property
    def phase(self) -> str:
        """The phase that made it."""
        return self.path.parent.name

    @property
    def data(self) -> DataConfig:
        """The images it was trained on, and how they became arrays of one size."""
        names = {field.name for field in dataclasses.fields(DataConfig)}
        return DataConfig(**{name: value for name, value in self.settings.items() if name in names})

    @property
    def task(self) -> str:
        """`multi` where it gives an image several labels, as its run was told."""
        return self.settings.get("task", "single")

    def adapt(self, data: DataConfig) -> DataConfig:
        """`data` with the sizes and the resizing of images that this model was trained with."""
        decoding = {field.name: getattr(self.data, field.name) for field in dataclasses.fields(Decoding)}
        return dataclasses.replace(data, **decoding)

    def folds(self, fold_batch_norm: str, *, on_gpu: bool) -> bool:
        """Whether batch normalization is folded: as the setting says, and for `auto` as in the model's run."""
        recorded = self.settings.get("fold_batch_norm", "auto")
        return folding.resolve(recorded if fold_batch_norm == "auto" else fold_batch_norm, on_gpu=on_gpu)

    def load(self) -> keras.Model:
        """The model: float32 [b, side, side, 3], pixels 0..255, to probabilities [b, num_classes].

        Raises:
          UserError: the file is no such model.
        """
        return load_classifier(self.path)


def of_run(run_dir: RunDir) -> TrainedModel:
    """The best model of the last phase that has one.

    Raises:
      UserError: nothing was trained there yet.
    """
    path = best_model.of_run(run_dir)
    phase = path.parent.name
    if not run_dir.phase(phase).metrics.is_file():
        log.info(f"note: {phase} is not finished: this is its best epoch so far")
    return of_file(path)


def of_file(path: Path) -> TrainedModel:
    """A model file, with what the run's files beside it tell.

    Raises:
      UserError: no such file, or nothing says which classes it knows.
    """
    best_model.check_file(path)
    class_names = starting_point.classes_of(path) or _labels_beside(path)
    settings = (read_json(path.parent.with_name("config.json")) or {}).get("settings", {})
    if class_names is None:
        raise UserError(
            f"{path}: nothing beside it names its classes. Keep it in the folder of its run (metrics.json, "
            "config.json), or put a labels.txt with a class name in each line beside it"
        )
    return TrainedModel(path, tuple(class_names), settings, read_json(path.with_name("metrics.json")) or {})


def _labels_beside(path: Path) -> list[str] | None:
    labels = path.with_name("labels.txt")
    return of_lines(labels.read_text(encoding="utf-8")) if labels.is_file() else None
