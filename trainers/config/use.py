"""What can be set about using a trained model: frozen, validated, standard library only."""

import dataclasses

from ftdata.errors import UserError
from ftdata.settings import NOTHING, check_settings, setting

USING_PHASES = ("evaluate", "predict", "export")
EXPORT_FORMATS = ("saved_model", "keras", "litert", "litert_float16", "litert_int8", "onnx")


@dataclasses.dataclass(frozen=True)
class UseConfig:
    """What is done with a trained model."""

    images: str | None = setting(
        None, "predict: folder of images, one file, or a pattern in quotes such as 'photos/*.jpg'", affects=NOTHING
    )
    model: str | None = setting(
        None,
        "predict: .keras file of a trained model, or imagenet for the 1000 classes of --backbone",
        unset="the model in --model_dir",
        affects=NOTHING,
        is_path=True,
    )
    json: bool = setting(False, "predict: whether each image gets a line of JSON instead of text", affects=NOTHING)
    test_time_augmentation: str = setting(
        "none",
        "evaluate, predict and export: what probabilities are averaged over; none is each image alone, flip the image "
        "and its mirror image, dihedral its eight flips and quarter turns (for classes that have no up and down)",
        choices=("none", "flip", "dihedral"),
        affects=NOTHING,
    )
    target_precision: float | None = setting(
        None,
        "evaluate: share of the accepted answers of each class that are to be right; the least probability of an "
        "accepted answer is chosen by it for each class, on images held out of the training",
        minimum=0.01,
        maximum=1.0,
        affects=NOTHING,
    )
    target_recall: float | None = setting(
        None,
        "evaluate: share of the images of each class that are to be found, by which that probability is chosen instead",
        minimum=0.01,
        maximum=1.0,
        affects=NOTHING,
    )
    export_formats: tuple[str, ...] = setting(
        ("saved_model", "keras"),
        "export: comma-separated formats of the exported model",
        choices=EXPORT_FORMATS,
        affects=NOTHING,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.target_precision is not None and self.target_recall is not None:
            raise UserError("target_precision and target_recall each choose the thresholds: give one of them")
