"""What can be set about using a trained model: frozen, validated, standard library only."""

import dataclasses
from collections.abc import Iterable

from ftdata.config import NOTHING, check_settings, setting

USING_PHASES = ("evaluate", "predict", "export")
EXPORT_FORMATS = ("saved_model", "keras", "litert", "litert_float16", "litert_int8", "onnx")

# What a trained model cannot be asked to change: everything else that is given with a using phase has no effect.
_ALWAYS = ("phase", "preset", "model_dir", "distribution_strategy", "jit_compile", "batch_size", "deterministic")
_DATA = ("dataset", "image_dir", "labels_csv", "data_dir", "manual_dir")
_EFFECTIVE = {
    "evaluate": (*_ALWAYS, *_DATA, "on_bad_image", "tensorboard", "test_time_augmentation"),
    "predict": (*_ALWAYS, "images", "model", "json"),
    "export": (*_ALWAYS, "data_dir", "manual_dir", "export_formats"),
}
_OF_A_FILE = ("resize", "interpolation", "jpeg_decode")
_OF_IMAGENET = ("backbone", "backbone_args", "weights", "preprocessing", "image_size", *_OF_A_FILE)


@dataclasses.dataclass(frozen=True)
class UseConfig:
    """What is done with a trained model."""

    images: str | None = setting(
        None, "predict: a folder of pictures, a file, or a pattern such as 'photos/*.jpg'", affects=NOTHING
    )
    model: str | None = setting(
        None,
        "predict: a .keras file, or imagenet for the 1000 classes of --backbone (the model of --model_dir)",
        affects=NOTHING,
        is_path=True,
    )
    json: bool = setting(False, "predict: print a line of JSON for each picture", affects=NOTHING)
    test_time_augmentation: str = setting(
        "none",
        "evaluate: flip averages the probabilities of each picture and of its mirror image",
        choices=("none", "flip"),
        affects=NOTHING,
    )
    export_formats: tuple[str, ...] = setting(
        ("saved_model", "keras"), "export: comma-separated", choices=EXPORT_FORMATS, affects=NOTHING
    )

    def __post_init__(self) -> None:
        check_settings(self)


def idle_in_use(phase: str, given: Iterable[str], *, model: str | None) -> dict[str, str]:
    """Of the settings `given` by the user, those that change nothing in a using phase, each with the reason."""
    effective = set(_EFFECTIVE[phase])
    if phase == "predict" and model:
        effective |= set(_OF_IMAGENET if model == "imagenet" else _OF_A_FILE)
    reason = f"--phase={phase} takes the trained model as it is"
    return {name: reason for name in sorted(given) if name not in effective}


def idle_in_training(phase: str) -> dict[str, str]:
    """The settings of a trained model's use that change nothing in a training phase, each with the reason."""
    idle = {name: f"it is for --phase=predict, this is {phase}" for name in ("images", "model", "json")}
    idle["test_time_augmentation"] = f"it is for --phase=evaluate, this is {phase}"
    if phase != "all":
        idle["export_formats"] = f"--phase={phase} does not export"
    return idle
