"""The thresholds of a run's classes: chosen by an evaluation that asks for them, kept beside its scores, and used."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras

from ftdata.errors import UserError
from trainers.commands.evaluator import Evaluator
from trainers.commands.trained_model import TrainedModel
from trainers.config import UseConfig
from trainers.evaluation.thresholds import Thresholds, reached
from trainers.folds import left_out
from trainers.rundir.checkpoint import weights_sha256
from trainers.rundir.run_dir import RunDir, read_json, write_json

_FILE = "thresholds.json"  # in evaluation/: those of each way to average, and the weights they are of


class Chosen(NamedTuple):
    """Thresholds, and what they give on the images that they were chosen on: `Thresholds.metrics`, and how many."""

    thresholds: Thresholds
    chosen_on: Mapping[str, Any]

    def metrics(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """What metrics.json says: the thresholds on the images evaluated, and on those that they were chosen on."""
        return {"thresholds": {**found, "chosen_on": self.chosen_on}}


def asked_for(use: UseConfig, evaluator: Evaluator, run_dir: RunDir, trained: TrainedModel) -> Chosen | None:
    """Those that `--target_precision` or `--target_recall` asks for, on the images held out; None without.

    Raises:
      UserError: nothing was held out, or no class reaches what is wanted.
    """
    target = "precision" if use.target_precision is not None else "recall"
    wanted = use.target_precision if target == "precision" else use.target_recall
    if wanted is None:
        return None
    held_out = evaluator.evaluate("validation") if len(evaluator.source.validation) else None
    if held_out is None and use.test_time_augmentation == "none":
        held_out = left_out.read(run_dir, trained.phase)
    if held_out is None:
        raise UserError(
            f"target_{target} needs images of the run itself that were held out of its training: its validation split, "
            "or what its folds left out (without --test_time_augmentation, which those do not average; the training "
            "command once more keeps that of an older run). For other images choose the thresholds first, by an "
            "evaluation of the run itself: they are kept"
        )
    thresholds = Thresholds.choose(held_out, target=target, wanted=wanted)
    found = thresholds.metrics(held_out, trained.class_names)
    if not reached(found):
        raise UserError(f"target_{target} {wanted:g} is reached by no class on the images held out: ask for less")
    return Chosen(thresholds, {**found, "images": len(held_out.labels)})


def keep(chosen: Chosen, run_dir: RunDir, network: keras.Model, *, test_time_augmentation: str) -> None:
    """Writes them, beside those of other ways to average the same weights."""
    digest = weights_sha256(network.weights)
    stored = read_json(run_dir.evaluation / _FILE) or {}
    others = stored["by_averaging"] if stored.get("weights_sha256") == digest else {}
    by_averaging = {**others, test_time_augmentation: chosen.chosen_on}
    write_json(run_dir.evaluation / _FILE, {"weights_sha256": digest, "by_averaging": by_averaging})


def kept(run_dir: RunDir, network: keras.Model, trained: TrainedModel, *, test_time_augmentation: str) -> Chosen | None:
    """Those that an evaluation of these very weights, averaged alike, has chosen; None without."""
    stored = read_json(run_dir.evaluation / _FILE)
    if not stored or stored["weights_sha256"] != weights_sha256(network.weights):
        return None
    chosen_on = stored["by_averaging"].get(test_time_augmentation)
    thresholds = Thresholds.of_metrics(chosen_on, trained.class_names)
    return Chosen(thresholds, chosen_on) if thresholds else None
