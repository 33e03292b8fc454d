"""Which of the settings that a user gave change nothing, and why."""

import dataclasses
from collections.abc import Iterable

from ftdata.address import scheme_of
from trainers.config.run import TrainConfig, settings
from trainers.config.search import SEARCHED_PHASES
from trainers.config.serve import ServeConfig
from trainers.config.training import TrainingConfig
from trainers.config.use import USING_PHASES

# What a trained model cannot be asked to change: everything else that is given with a using phase has no effect.
_MACHINE = ("distribution_strategy", "jit_compile", "fold_batch_norm", "deterministic")
_ALWAYS = ("phase", "preset", "model_dir", "batch_size", *_MACHINE)
_REMOTE = ("remote_cache_gib", "remote_timeout_s")
_DATA = ("dataset", "image_dir", "labels_csv", "records", "exclude_csv", "data_dir", "manual_dir", *_REMOTE)
_TARGETS = ("target_precision", "target_recall")
_NOVELTY = ("none_of_these", "other_images")
_OF_THE_SERVER = tuple(field.name for field in dataclasses.fields(ServeConfig))
_OF_A_RECEIPT = ("stretch", "receipt")
_FORMATS = ("export_formats", "golden", "track", "web_runtime")
_EFFECTIVE = {
    "evaluate": (
        *_ALWAYS,
        *_DATA,
        "task",
        "label_separator",
        "on_bad_image",
        "max_bad_fraction",
        "tensorboard",
        "track",
        "test_time_augmentation",
        *_TARGETS,
        *_NOVELTY,
    ),
    "predict": (*_ALWAYS, "images", "model", "json", "label_next", "test_time_augmentation"),
    "export": (*_ALWAYS, "exclude_csv", "data_dir", "manual_dir", "test_time_augmentation", *_FORMATS),
    "report": ("phase", "preset", "model_dir"),
    "serve": ("phase", "preset", "model_dir", "batch_size", "model", *_OF_THE_SERVER),
    "verify": ("phase", "preset", "model_dir", *_DATA, "weights", "backbone", "init_from", *_OF_A_RECEIPT),
}
_OF_AN_ESTIMATE = ("batch_size", "class_weight", "feature_views", "folds", "learning_curve", "monitor")
_IDLE_IN_AN_ESTIMATE = (
    *(field.name for field in dataclasses.fields(TrainingConfig) if field.name not in _OF_AN_ESTIMATE),
    *("dense_units", "dropout", "train_batch_norm", "cache", "tensorboard", "track", "profile_steps"),
)
_OF_FINE_TUNING = (
    *("finetune_epochs", "finetune_learning_rate", "unfreeze", "lora_rank", "lora_targets"),
    *("layer_decay", "l2_start", "interpolate_weights", "soup"),
)
_OF_A_SCHEDULE = ("transfer_learning_rate", "finetune_learning_rate", "learning_rate_schedule", "warmup_steps")
_OF_A_FILE = ("resize", "interpolation", "jpeg_decode")
_OF_IMAGENET = ("backbone", "backbone_args", "weights", "preprocessing", "image_size", *_OF_A_FILE)


def without_effect(config: TrainConfig, given: set[str]) -> dict[str, str]:
    """Of the settings `given` by the user, those that change nothing here, each with the reason."""
    if config.phase in USING_PHASES:
        return idle_in_use(config.phase, given, model=config.use.model)
    data, augment = config.data, config.augment
    fine_tunes = config.phase in ("finetune", "all", "check", "find_learning_rate")  # check looks at the whole job
    is_remote = any(map(scheme_of, (data.image_dir, data.labels_csv, data.records)))
    keeps_on_disk = data.cache in ("auto", "disk") or config.training.feature_views > 0
    rules: dict[str, tuple[bool, str]] = {
        field.name: (not augment.augment and field.name != "augment", "augmentation is off (--augment=false)")
        for field, _ in settings(augment)
    }
    if augment.augment:
        rules["cval"] = (augment.fill_mode != "constant", f"--fill_mode is {augment.fill_mode}, not constant")
    rules |= {
        "manual_dir": (
            data.dataset in (None, "cutlery", "objects"),
            "images come from files, not from TFDS" if data.dataset is None else f"{data.dataset} is rendered",
        ),
        "data_dir": (
            data.dataset is None and not keeps_on_disk and not is_remote,
            f"images come from files, not from TFDS, and --cache={data.cache} keeps nothing there",
        ),
        "disk_cache_gib": (not keeps_on_disk, f"--cache={data.cache} keeps nothing on disk"),
        **dict.fromkeys(_REMOTE, (not is_remote, "no images come from s3://, gs:// or https://")),
        "max_bad_fraction": (data.on_bad_image != "skip", "--on_bad_image=skip is not given"),
        "on_bad_image": (data.dataset is not None, "only image files are examined, not TFDS data sets"),
        **dict.fromkeys(
            ("group_pattern", "split_seed"),
            (data.validation_fraction == 0, "--validation_fraction=0 holds nothing out"),
        ),
        "feature_views": (config.phase == "pretrain", "--phase=pretrain trains from the first layer on"),
        "backbone_args": (config.model.backbone.endswith(".keras"), "--backbone is a saved model"),
        "weights": (config.model.backbone.endswith(".keras"), "--backbone is a saved model with its own weights"),
    }
    rules["lora_targets"] = (config.training.lora_rank == 0, "--lora_rank is not given")
    for name in _OF_FINE_TUNING:
        rules[name] = (not fine_tunes, f"--phase={config.phase} does not fine-tune")
    for name in ("transfer_epochs", "transfer_learning_rate"):
        rules[name] = (config.phase == "pretrain", "--phase=pretrain trains every layer at once")
    for name in ("pretrain_epochs", "pretrain_learning_rate"):
        rules[name] = (config.phase != "pretrain", f"--phase={config.phase} does not pretrain")
    is_searched = config.phase in SEARCHED_PHASES
    rules["time_budget"] = (not is_searched, f"it is for the phases finetune and all, this is {config.phase}")
    rules["learning_curve"] = (config.phase != "estimate", f"it is for --phase=estimate, this is {config.phase}")
    if config.phase == "estimate":
        rules |= dict.fromkeys(_IDLE_IN_AN_ESTIMATE, (True, "--phase=estimate trains nothing but heads on features"))
    if config.phase == "find_learning_rate":
        rules |= dict.fromkeys(_OF_A_SCHEDULE, (True, "--phase=find_learning_rate has a learning rate for every step"))
    rules |= {name: (True, reason) for name, reason in idle_in_training(config.phase).items()}
    return {name: rules[name][1] for name in sorted(given) if name in rules and rules[name][0]}


def idle_in_use(phase: str, given: Iterable[str], *, model: str | None) -> dict[str, str]:
    """Of the settings `given` by the user, those that change nothing in a using phase, each with the reason."""
    effective = set(_EFFECTIVE[phase])
    if phase == "predict" and model:
        effective |= set(_OF_IMAGENET if model == "imagenet" else _OF_A_FILE)
    taken = {"report": "what the files say", "verify": "the run as it is recorded"}
    reason = f"--phase={phase} takes {taken.get(phase, 'the trained model as it is')}"
    return {name: reason for name in sorted(given) if name not in effective}


def idle_in_training(phase: str) -> dict[str, str]:
    """The settings of a trained model's use that change nothing in a training phase, each with the reason."""
    idle = {name: f"it is for --phase=predict, this is {phase}" for name in ("images", "model", "json", "label_next")}
    idle["images"] += "; the images to train on are --image_dir"
    idle["model"] += "; the network to train is --backbone"
    idle |= dict.fromkeys(_OF_THE_SERVER, f"it is for --phase=serve, this is {phase}")
    idle |= dict.fromkeys(_OF_A_RECEIPT, f"it is for --phase=verify, this is {phase}")
    idle |= dict.fromkeys(_TARGETS, f"it is for --phase=evaluate, this is {phase}")
    if phase != "all":
        idle |= dict.fromkeys(_NOVELTY, f"it is for --phase=evaluate or all, this is {phase}")
        idle["test_time_augmentation"] = f"it is for --phase=evaluate, predict and export, this is {phase}"
        idle["export_formats"] = f"--phase={phase} does not export"
    return idle
