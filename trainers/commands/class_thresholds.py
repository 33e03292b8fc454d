"""The thresholds of a run's classes: chosen by an evaluation that asks for them, kept beside its scores, and used."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ftdata.errors import UserError
from trainers.commands.evaluator import Evaluator
from trainers.commands.trained_model import TrainedModel
from trainers.config import UseConfig
from trainers.evaluation.thresholds import Thresholds
from trainers.folds import left_out
from trainers.rundir.run_dir import RunDir, read_json


class Chosen(NamedTuple):
    """Thresholds, and what they give on the images that they were chosen on: `Thresholds.metrics`, and how many."""

    thresholds: Thresholds
    chosen_on: Mapping[str, Any]
    images: int


def asked_for(use: UseConfig, evaluator: Evaluator, run_dir: RunDir, trained: TrainedModel) -> Chosen | None:
    """Those that `--target_precision` or `--target_recall` asks for, on the images held out; None without.

    Raises:
      UserError: nothing was held out, or no class reaches what is wanted.
    """
    target = "precision" if use.target_precision is not None else "recall"
    wanted = use.target_precision if target == "precision" else use.target_recall
    if wanted is None:
        return None
    if len(evaluator.source.validation):
        held_out = evaluator.evaluate("validation")
    elif (found := left_out.read(run_dir, trained.phase)) and use.test_time_augmentation == "none":
        held_out = found
    else:
        raise UserError(
            f"target_{target} needs images of the run itself that were held out of its training: its validation split, "
            "or what its folds left out (without --test_time_augmentation, which those do not average). For other "
            "images choose the thresholds first, by an evaluation of the run itself: they are kept"
        )
    thresholds = Thresholds.choose(held_out, target=target, wanted=wanted)
    thresholds.check(trained.class_names)
    return Chosen(thresholds, thresholds.metrics(held_out, trained.class_names), len(held_out.labels))


def kept(run_dir: RunDir, trained: TrainedModel, *, test_time_augmentation: str) -> Chosen | None:
    """Those that an earlier evaluation of these very weights, averaged alike, has chosen; None without."""
    earlier = read_json(run_dir.evaluation / "metrics.json") or {}
    is_of_these = earlier.get("weights_sha256") == trained.metrics.get("weights_sha256", "unknown")
    is_alike = earlier.get("test_time_augmentation", "none") == test_time_augmentation
    thresholds = Thresholds.of_metrics(earlier.get("thresholds"), trained.class_names)
    if thresholds is None or not (is_of_these and is_alike):
        return None
    stored = earlier["thresholds"]
    return Chosen(thresholds, stored["chosen_on"], stored["chosen_on"]["images"])


def metrics(chosen: Chosen, found: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics.json says: the thresholds on the images evaluated, and on those that they were chosen on."""
    return {"thresholds": {**found, "chosen_on": {**chosen.chosen_on, "images": chosen.images}}}
