"""What can be set about a run: frozen, validated, standard library only."""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from ftdata import address
from ftdata.config import AugmentConfig, DataConfig
from ftdata.errors import UserError
from ftdata.settings import ANY_PHASE, NOTHING, check_settings, said, setting
from trainers.config import multi_label, other_channels
from trainers.config.model import HUB, ModelConfig, hub_folder
from trainers.config.runtime import RuntimeConfig
from trainers.config.search import SearchConfig
from trainers.config.serve import ServeConfig
from trainers.config.training import TrainingConfig
from trainers.config.use import USING_PHASES, UseConfig

TRAINING_PHASES = ("pretrain", "transfer", "finetune", "all")
OTHER_PHASES = ("check", "estimate", "find_learning_rate", *USING_PHASES)

_OF_TRAINING = {"dropout", "train_batch_norm"}  # of the network, but nothing that is trained depends on their presence


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A whole run."""

    phase: str = setting(
        "finetune",
        "what to do: transfer trains a new head on the frozen base; finetune trains the unfrozen layers too, after "
        "transfer where that has not run yet; all does both and exports; pretrain trains every layer from random "
        "weights; check looks at the data and the plan without training; estimate says without training how good a "
        "model will be on new groups of images; find_learning_rate suggests the learning rate of transfer or, when "
        "that is finished, of finetune, from a hundred steps that are not kept; evaluate, predict and export use the "
        "trained model; serve answers over HTTP with the exported SavedModel; verify trains parts of the run in "
        "--model_dir again and compares them with its receipt.json; report writes report.html of the run in "
        "--model_dir again, or of each run below it, with an index.html that compares them",
        choices=TRAINING_PHASES + OTHER_PHASES,
        affects=NOTHING,
    )
    preset: str | None = setting(
        None,
        "named set of defaults for the flags that are not given. Without --preset: demo if no data is named, photos "
        "with --image_dir, --labels_csv, --records or --dataset, none to evaluate, predict, export, report, serve or "
        "verify",
        affects=NOTHING,
    )
    model_dir: str = setting(
        "runs/latest",
        "folder of the run: checkpoints, best models, scores, figures. Given again, the run in it is resumed",
        affects=NOTHING,
        is_path=True,
    )
    seed: int = setting(
        0,
        "seed of all random numbers: initial weights, order of the images, augmentation, dropout",
        minimum=0,
        maximum=2**31 - 1,
    )
    overwrite: bool = setting(
        False, "start over in a --model_dir that holds a run, and delete what that has trained", affects=NOTHING
    )
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    runtime: RuntimeConfig = dataclasses.field(default_factory=RuntimeConfig)
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    use: UseConfig = dataclasses.field(default_factory=UseConfig)
    serve: ServeConfig = dataclasses.field(default_factory=ServeConfig)

    def __post_init__(self) -> None:
        check_settings(self)
        images = self.data.image_dir
        if images and not self.data.labels_csv and address.real(images) == address.real(self.model_dir):
            raise UserError(f"model_dir must not be image_dir itself, got {images}: its figures would become a class")
        if self.phase == "predict" and not self.use.images:
            raise UserError("images must be a folder, a file or a pattern for the phase predict, got none")
        if self.phase == "pretrain" and self.model.weights not in ("none",):
            raise UserError(
                f"weights must be none for the phase pretrain, which starts from random ones, "
                f"got {said(self.model.weights)}"
            )
        if self.training.folds == "groups" and not self.data.group_pattern:
            raise UserError("folds=groups needs group_pattern, which says what the groups are")
        multi_label.check(self)
        other_channels.check(self)
        self._check_feature_views()

    @property
    def monitored(self) -> str:
        """The score that chooses the best epoch: of several labels an image it is their mean average precision."""
        several = self.data.task == "multi" and self.training.monitor is None
        return "map" if several else self.training.monitored

    def _check_feature_views(self) -> None:
        views = self.training.feature_views
        if self.training.head_solver == "lbfgs" and self.phase in TRAINING_PHASES:
            self._check_solver()
        if not views or self.phase in USING_PHASES:
            return
        if self.augment.mixes_pairs:
            raise UserError(
                "feature_views must be 0 with mixup_alpha, cutmix_alpha or background_mixing, which mix images at "
                f"every step, got {views}"
            )
        if self.data.data_service:
            raise UserError(
                f"feature_views must be 0 with data_service, whose workers send images at every step, got {views}"
            )

    def _check_solver(self) -> None:
        if not self.training.feature_views:
            raise UserError("feature_views must be at least 1 with head_solver=lbfgs, which solves on features, got 0")
        if self.model.dense_units:
            raise UserError(
                "dense_units must be 0 with head_solver=lbfgs, which solves for one layer, got "
                f"{self.model.dense_units}"
            )

    @property
    def writes_files(self) -> bool:
        """Whether what it finds lies in files; the others only print it."""
        return self.phase not in ("check", "predict", "verify")


def settings(config: Any) -> Iterator[tuple[dataclasses.Field, Any]]:
    """Every setting of a config and of the configs inside it, with its value."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from settings(value)
        else:
            yield field, value


def as_dict(config: TrainConfig) -> dict[str, Any]:
    """All settings by name, flat, as JSON values."""
    return {field.name: list(value) if isinstance(value, tuple) else value for field, value in settings(config)}


def from_dict(values: dict[str, Any]) -> TrainConfig:
    """The configuration of which `as_dict` gave these values.

    Raises:
      UserError: a value that breaks a rule.
    """

    def build(kind: Any) -> Any:
        arguments = {}
        for field in dataclasses.fields(kind):
            if dataclasses.is_dataclass(field.type):
                arguments[field.name] = build(field.type)
            elif field.name in values:
                value = values[field.name]
                arguments[field.name] = tuple(value) if isinstance(value, list) else value
        return kind(**arguments)

    return build(TrainConfig)


def as_recorded(config: TrainConfig) -> dict[str, Any]:
    """As `as_dict`, with whole paths instead of such as hold in one working directory or for one user only."""
    values = as_dict(config)
    for field, value in settings(config):
        if field.metadata["is_path"] and value:
            path = address.whole(value)
            if folder := hub_folder(value):
                values[field.name] = HUB + os.path.abspath(folder)
                continue
            is_name = field.name in ("backbone", "weights", "model") and not os.path.isfile(path)
            values[field.name] = value if is_name else path
    return values


def passed_on(config: TrainConfig) -> set[str]:
    """The names of the settings that a phase takes over from the one before it: the images and the network.

    How they are trained is free to change in between.
    """
    return {field.name for part in (config.data, config.model) for field in dataclasses.fields(part)} - _OF_TRAINING


def deciding(config: TrainConfig, phase: str) -> dict[str, Any]:
    """The settings that decide the numbers of `phase`."""
    values = as_dict(config)
    names = [field.name for field, _ in settings(config) if field.metadata["affects"] in (ANY_PHASE, phase)]
    return {name: values[name] for name in names}
