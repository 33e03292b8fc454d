"""What can be set about using a trained model: frozen, validated, standard library only."""

import dataclasses
import re

from ftdata.errors import UserError
from ftdata.settings import NOTHING, check_settings, said, setting

USING_PHASES = ("evaluate", "predict", "export", "report", "serve", "verify")
EXPORT_FORMATS = ("saved_model", "keras", "litert", "litert_float16", "litert_int8", "onnx", "openvino", "web")


@dataclasses.dataclass(frozen=True)
class UseConfig:
    """What is done with a trained model."""

    images: str | None = setting(
        None, "predict: folder of images, one file, or a pattern in quotes such as 'photos/*.jpg'", affects=NOTHING
    )
    model: str | None = setting(
        None,
        "predict: .keras file of a trained model, or imagenet for the 1000 classes of --backbone; serve: folder of an "
        "exported SavedModel",
        unset="the model in --model_dir",
        affects=NOTHING,
        is_path=True,
    )
    json: bool = setting(False, "predict: whether each image gets a line of JSON instead of text", affects=NOTHING)
    label_next: int | None = setting(
        None,
        "predict: number of images to list in label_next.csv: those that would teach the model most if they were "
        "labelled, the least certain and, after an evaluation with --none_of_these, the most unlike",
        minimum=1,
        affects=NOTHING,
    )
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
    none_of_these: float | None = setting(
        None,
        "evaluate: share of the images of a new group that are still to be taken for one of the classes; what lies "
        "farther off is answered with none of these, by predict and by exports too",
        minimum=0.5,
        maximum=0.999,
        affects=NOTHING,
    )
    other_images: str | None = setting(
        None,
        "evaluate: folder of images that show none of the classes, one file, or a pattern in quotes: how many of them "
        "are taken for one of the classes",
        unset="rendered everyday things",
        affects=NOTHING,
        is_path=True,
    )
    export_formats: tuple[str, ...] = setting(
        ("saved_model", "keras"),
        "export: comma-separated formats of the exported model",
        choices=EXPORT_FORMATS,
        affects=NOTHING,
    )
    web_runtime: str | None = setting(
        None,
        "export: folder of the packages @litertjs/core and @litertjs/wasm-utils, which run the model in the page of "
        "the format web: a node_modules, or the files of npm pack",
        unset="fetched by npm",
        affects=NOTHING,
        is_path=True,
    )
    golden: bool = setting(
        True,
        "export: whether five test images go along with LiteRT files, in golden/, with a script that checks an "
        "installation by them",
        affects=NOTHING,
    )

    stretch: str = setting(
        "random",
        "verify: which parts of a run are trained again, between kept checkpoints; random is one of each phase, all is "
        "everything that was trained",
        choices=("random", "all"),
        affects=NOTHING,
    )
    receipt: str | None = setting(
        None,
        "verify: digest that the run printed at its end, its beginning or the whole line, by which a receipt that was "
        "rewritten is found",
        affects=NOTHING,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.receipt is not None:
            found = re.fullmatch(r"\s*(?:receipt\s+)?([0-9a-fA-F]{8,64})(?::.*)?\s*", self.receipt, re.DOTALL)
            if not found:
                raise UserError(
                    "receipt must be the line that a run prints at its end, or the 8 to 64 hexadecimal digits in it, "
                    f"got {said(self.receipt)}"
                )
            object.__setattr__(self, "receipt", found[1])
        if self.target_precision is not None and self.target_recall is not None:
            raise UserError("target_precision and target_recall each choose the thresholds: give one of them")
