"""What can be set about a run: frozen, validated, standard library only."""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from ftdata.config import ANY_PHASE, NOTHING, AugmentConfig, DataConfig, check_settings, setting
from trainers.use_config import USING_PHASES, UseConfig, idle_in_training, idle_in_use

TRAINING_PHASES = ("pretrain", "transfer", "finetune", "all")
OTHER_PHASES = ("check", *USING_PHASES)

# Upper bounds that only a slip exceeds.
_EPOCHS, _MANY = 100_000, 1_000_000_000
_OF_TRAINING = {"dropout", "train_batch_norm"}  # of the network, but nothing that is trained depends on their presence
_LARGEST_ARGUMENT = 1000  # of a number in backbone_args: widths and depths of networks


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network: a backbone, where its weights come from, and the head put on it."""

    backbone: str = setting("EfficientNetV2B0", "any Keras Applications name, vgg_nano, or a .keras file", is_path=True)
    backbone_args: dict[str, Any] | None = setting(
        None, 'JSON object of further arguments of the backbone, such as {"alpha": 0.35}'
    )
    weights: str = setting("imagenet", "imagenet, none, objects (vgg_nano's own), or a weights file", is_path=True)
    preprocessing: str = setting(
        "backbone",
        "backbone: what its weights expect; rescale: pixels / 255",
        choices=("backbone", "rescale"),
    )
    pooling: str = setting("avg", "from feature maps to a vector", choices=("flatten", "avg", "max"))
    dense_units: int = setting(0, "units of a relu layer before the classifier; 0 for none", minimum=0, maximum=65_536)
    dropout: float = setting(0.2, "share of the features dropped in training", minimum=0.0, maximum=0.95)
    train_batch_norm: bool | None = setting(
        None, "whether batch normalization of the base trains (only where it starts from random weights)"
    )
    init_from: str | None = setting(None, "a trained model of this project (.keras) to go on from", is_path=True)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.backbone_args is not None and not isinstance(self.backbone_args, dict):
            raise ValueError(f"backbone_args must be a JSON object, got {self.backbone_args!r}")
        for name, value in (self.backbone_args or {}).items():
            if isinstance(value, int | float) and not abs(value) <= _LARGEST_ARGUMENT:  # catches NaN too
                raise ValueError(f"backbone_args must have numbers up to {_LARGEST_ARGUMENT}, got {name}: {value!r}")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """The phases and how they are optimized."""

    batch_size: int = setting(32, "pictures per step over all devices", minimum=1, maximum=65_536)
    gradient_accumulation_steps: int = setting(
        1,
        "pieces into which a device splits its part of a batch: less memory, and the same update except where dropout "
        "or stochastic depth draws (other masks, as good) or batch normalization trains (statistics of each piece)",
        minimum=1,
        maximum=64,
    )
    steps_per_epoch: int | None = setting(None, "steps per epoch (one pass over the data)", minimum=1, maximum=_MANY)
    transfer_epochs: int = setting(5, "epochs of training the head", minimum=1, maximum=_EPOCHS, affects="transfer")
    transfer_learning_rate: float = setting(1e-3, "its highest", minimum=0.0, affects="transfer")
    finetune_epochs: int = setting(
        10, "epochs of training the unfrozen layers", minimum=1, maximum=_EPOCHS, affects="finetune"
    )
    finetune_learning_rate: float = setting(1e-4, "its highest", minimum=0.0, affects="finetune")
    unfreeze: tuple[str, ...] = setting(
        ("all",),
        "layers to fine-tune: comma-separated names or beginnings of them (block_1 is not block_10), or all",
        affects="finetune",
    )
    pretrain_epochs: int = setting(30, "epochs from random weights", minimum=1, maximum=_EPOCHS, affects="pretrain")
    pretrain_learning_rate: float = setting(1e-3, "its highest", minimum=0.0, affects="pretrain")
    optimizer: str = setting("adam", "the optimizer", choices=("adam", "adamw", "sgd", "rmsprop"))
    learning_rate_schedule: str = setting(
        "constant", "course of the learning rate over a phase", choices=("constant", "cosine")
    )
    warmup_steps: int = setting(
        0,
        "steps of linear increase of the learning rate at the start of a phase, a fifth of its steps at most",
        minimum=0,
        maximum=_MANY,
    )
    weight_decay: float = setting(0.0, "decoupled decay of kernels per step, times the learning rate", minimum=0.0)
    label_smoothing: float = setting(0.0, "share spread over all classes", minimum=0.0, maximum=0.9)
    gradient_clip_norm: float | None = setting(None, "largest global norm of the gradient", minimum=0.0)
    ema_decay: float | None = setting(
        None,
        "decay of averaged weights, which are then evaluated and kept; lower in the first steps of a phase",
        minimum=0.0,
        maximum=0.99999,
    )
    class_weight: str = setting("balanced", "weights of the classes", choices=("balanced", "none"))
    early_stopping_patience: int | None = setting(
        None, "epochs without improvement to stop after", minimum=1, maximum=_EPOCHS
    )
    monitor: str | None = setting(
        None,
        "score on the validation split that chooses the best epoch (balanced_accuracy where class weights are "
        "balanced, else accuracy)",
        choices=("accuracy", "balanced_accuracy", "f1_macro", "loss"),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.gradient_clip_norm == 0:
            raise ValueError("gradient_clip_norm must be above 0, got 0: leave it out for no clipping")
        if not self.unfreeze or not all(self.unfreeze):
            raise ValueError(f"unfreeze must be layer-name prefixes or all, got {self.unfreeze!r}")

    @property
    def monitored(self) -> str:
        """The score that chooses the best epoch: where training lets every class count alike, so does the choice."""
        return self.monitor or ("accuracy" if self.class_weight == "none" else "balanced_accuracy")


@dataclasses.dataclass(frozen=True)
class RuntimeConfig:
    """The machine, and what is watched. Only precision and compilation touch the numbers."""

    distribution_strategy: str = setting(
        "auto",
        "how the devices share the work",
        choices=("auto", "one_device", "mirrored", "multi_worker_mirrored", "tpu"),
        affects=NOTHING,
    )
    worker_timeout_s: float = setting(
        60.0,
        "seconds of silence after which another worker counts as dead",
        minimum=1.0,
        maximum=86_400.0,
        affects=NOTHING,
    )
    mixed_precision: str = setting(
        "auto",
        "compute type",
        choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"),
    )
    jit_compile: str = setting("auto", "compile the step with XLA", choices=("auto", "true", "false"))
    steps_per_execution: int = setting(
        1, "steps the device is given in one call", minimum=1, maximum=100, affects=NOTHING
    )
    deterministic: bool = setting(False, "the same bits on a GPU too, at a price in speed")
    tensorboard: bool = setting(True, "write TensorBoard event files", affects=NOTHING)
    profile_steps: tuple[int, ...] | None = setting(
        None, "START,STOP: steps of each phase to profile for TensorBoard", minimum=0, maximum=_MANY, affects=NOTHING
    )
    log_every_steps: int = setting(20, "steps between points in TensorBoard", minimum=1, maximum=_MANY, affects=NOTHING)
    checkpoint_every_steps: int = setting(
        200, "steps between checkpoints (one more follows each epoch)", minimum=1, maximum=_MANY, affects=NOTHING
    )

    def __post_init__(self) -> None:
        check_settings(self)
        steps = self.profile_steps
        if steps is not None and (len(steps) != 2 or steps[0] >= steps[1]):
            raise ValueError(f"profile_steps must be START,STOP with START < STOP, got {steps!r}")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A whole run."""

    phase: str = setting("finetune", "what to do", choices=TRAINING_PHASES + OTHER_PHASES, affects=NOTHING)
    preset: str | None = setting(None, "settings to start from", affects=NOTHING)
    model_dir: str = setting(
        "runs/latest", "where everything is written and found again", affects=NOTHING, is_path=True
    )
    seed: int = setting(0, "of everything random", minimum=0, maximum=2**31 - 1)
    overwrite: bool = setting(False, "start anew in a model_dir that holds another run", affects=NOTHING)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    runtime: RuntimeConfig = dataclasses.field(default_factory=RuntimeConfig)
    use: UseConfig = dataclasses.field(default_factory=UseConfig)

    def __post_init__(self) -> None:
        check_settings(self)
        images = self.data.image_dir
        if images and not self.data.labels_csv and _real(images) == _real(self.model_dir):
            raise ValueError(f"model_dir must not be image_dir itself, got {images}: its figures would become a class")
        if self.phase == "predict" and not self.use.images:
            raise ValueError("images must be a folder, a file or a pattern for the phase predict, got none")
        if self.phase == "pretrain" and self.model.weights not in ("none",):
            raise ValueError(
                f"weights must be none for the phase pretrain, which starts from random ones, "
                f"got {self.model.weights!r}"
            )

    @property
    def writes_files(self) -> bool:
        """Whether what it finds lies in files; the others only print it."""
        return self.phase not in ("check", "predict")

    @property
    def after_a_stop(self) -> str:
        """What becomes of a run that a signal has stopped."""
        if self.phase not in TRAINING_PHASES:
            return f"--phase={self.phase} starts over when it is given again, and the files it has finished are whole"
        command = "the same command without --overwrite" if self.overwrite else "the same command"
        return f"{command} goes on from the last checkpoint"


def _real(path: str) -> str:
    return os.path.realpath(os.path.expanduser(path))


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


def as_recorded(config: TrainConfig) -> dict[str, Any]:
    """As `as_dict`, with whole paths instead of such as hold in one working directory or for one user only."""
    values = as_dict(config)
    for field, value in settings(config):
        if field.metadata["is_path"] and value:
            path = os.path.abspath(os.path.expanduser(value))
            is_name = field.name in ("backbone", "weights", "model") and not os.path.isfile(path)
            values[field.name] = value if is_name else path
    return values


def passed_on(config: TrainConfig) -> set[str]:
    """The names of the settings that a phase goes on with when another has finished: the images and the network.

    How they are trained is free to change in between.
    """
    return {field.name for part in (config.data, config.model) for field in dataclasses.fields(part)} - _OF_TRAINING


def deciding(config: TrainConfig, phase: str) -> dict[str, Any]:
    """The settings that decide the numbers of `phase`."""
    values = as_dict(config)
    names = [field.name for field, _ in settings(config) if field.metadata["affects"] in (ANY_PHASE, phase)]
    return {name: values[name] for name in names}


def without_effect(config: TrainConfig, given: set[str]) -> dict[str, str]:
    """Of the settings `given` by the user, those that change nothing here, each with the reason."""
    if config.phase in USING_PHASES:
        return idle_in_use(config.phase, given, model=config.use.model)
    data, augment = config.data, config.augment
    fine_tunes = config.phase in ("finetune", "all", "check")  # check looks at the whole job
    rules: dict[str, tuple[bool, str]] = {
        field.name: (not augment.augment and field.name != "augment", "augmentation is off (--augment=false)")
        for field, _ in settings(augment)
    }
    if augment.augment:
        rules["cval"] = (augment.fill_mode != "constant", f"--fill_mode is {augment.fill_mode}, not constant")
    rules |= {
        "manual_dir": (
            data.dataset in (None, "cutlery", "objects"),
            "pictures come from files, not from TFDS" if data.dataset is None else f"{data.dataset} is rendered",
        ),
        "data_dir": (
            data.dataset is None and data.cache not in ("auto", "disk"),
            f"pictures come from files, not from TFDS, and --cache={data.cache} keeps nothing there",
        ),
        "disk_cache_gib": (data.cache not in ("auto", "disk"), f"--cache={data.cache} keeps nothing on disk"),
        "on_bad_image": (data.dataset is not None, "only image files are examined, not TFDS data sets"),
        **dict.fromkeys(
            ("group_pattern", "split_seed"),
            (data.validation_fraction == 0, "--validation_fraction=0 holds nothing out"),
        ),
        "unfreeze": (not fine_tunes, f"--phase={config.phase} does not fine-tune"),
        "backbone_args": (config.model.backbone.endswith(".keras"), "--backbone is a saved model"),
        "weights": (config.model.backbone.endswith(".keras"), "--backbone is a saved model with its own weights"),
    }
    for name in ("finetune_epochs", "finetune_learning_rate"):
        rules[name] = (not fine_tunes, f"--phase={config.phase} does not fine-tune")
    for name in ("transfer_epochs", "transfer_learning_rate"):
        rules[name] = (config.phase == "pretrain", "--phase=pretrain trains every layer at once")
    for name in ("pretrain_epochs", "pretrain_learning_rate"):
        rules[name] = (config.phase != "pretrain", f"--phase={config.phase} does not pretrain")
    rules |= {name: (True, reason) for name, reason in idle_in_training(config.phase).items()}
    return {name: rules[name][1] for name in sorted(given) if name in rules and rules[name][0]}
