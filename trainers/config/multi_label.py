"""What cannot be done with several labels an image (`--task=multi`), each in a line at once. Standard library only."""

from typing import TYPE_CHECKING

from ftdata.errors import UserError

if TYPE_CHECKING:
    from trainers.config.run import TrainConfig
    from trainers.config.use import UseConfig


def check(config: "TrainConfig") -> None:
    """Checks the settings of a run on images of several labels, or of one.

    Raises:
      UserError: a setting that is not for them, with what to do instead.
    """
    training = config.training
    if config.data.task == "single":
        if training.monitor == "map":
            raise UserError("monitor=map is for task=multi; the scores of task=single are accuracy and the like")
        return
    refused = {
        "head_solver=lbfgs": (training.head_solver == "lbfgs", "it solves for one class an image: leave it at sgd"),
        "soup": (training.soup, "thresholds are chosen by the models of the folds, not by their average: leave it out"),
        "time_budget": (
            config.search.time_budget is not None,
            "a search is for one class an image: leave it out",
        ),
        "phase=estimate": (config.phase == "estimate", "it solves for heads of one class an image: train instead"),
    }
    for name, (is_asked, reason) in refused.items():
        if is_asked:
            raise UserError(f"{name} cannot go with task=multi: {reason}")
    check_use(config.use, task="multi")


def check_use(use: "UseConfig", *, task: str) -> None:
    """Checks what is asked of a trained model: one that gives several labels cannot do all.

    Raises:
      UserError: it is for models of one class an image.
    """
    if task == "single":
        return
    refused = {
        "none_of_these": (use.none_of_these is not None, "a picture of none of the classes gets no label anyway"),
        "target_precision": (use.target_precision is not None, "thresholds are those of the best F1 on validation"),
        "target_recall": (use.target_recall is not None, "thresholds are those of the best F1 on validation"),
        "label_next": (use.label_next is not None, "it ranks answers of one class an image"),
        "export_formats=web": ("web" in use.export_formats, "its page shows one class an image"),
    }
    for name, (is_asked, reason) in refused.items():
        if is_asked:
            raise UserError(f"{name} cannot go with a model of task=multi: {reason}")
