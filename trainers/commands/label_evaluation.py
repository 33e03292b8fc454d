"""What `--phase=evaluate` says of a model that gives several labels an image."""

import time
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ftdata.log import log
from trainers.commands.evaluator import Evaluator
from trainers.commands.trained_model import TrainedModel
from trainers.config import TrainConfig
from trainers.evaluation import figures, label_reports, label_scores, label_temperatures, label_thresholds
from trainers.evaluation.label_scores import LabelEvaluation
from trainers.report import page
from trainers.rundir import seen
from trainers.rundir.run_dir import RunDir
from trainers.training.tensorboard import IMAGES


def finish(
    config: TrainConfig,
    run_dir: RunDir,
    model: TrainedModel,
    evaluator: Evaluator,
    *,
    known: np.ndarray,
    title: str,
    digest: str,
) -> dict[str, Any]:
    """Evaluates the split `test` and writes evaluation/; returns its metrics.json.

    The thresholds are those that the model's phase has recorded. Where it has none yet, because it is not finished, or
    where probabilities are averaged over several views of an image, they are chosen on the validation split now.

    Args:
      config: of the evaluation.
      run_dir: of the run.
      model: that is evaluated.
      evaluator: of it, with its images open.
      known: of the test images those that it was trained on, bool [n].
      title: of figures.
      digest: of its weights.

    Raises:
      Interrupted: somebody asked to stop.
    """
    source, views = evaluator.source, config.use.test_time_augmentation
    about = chosen(model, evaluator, test_time_augmentation=views)
    began = time.perf_counter()
    scored = evaluator.evaluate("test")
    assert isinstance(scored, LabelEvaluation), "the labels are several"
    scored = scored.with_thresholds(label_thresholds.of_metrics(about, model.class_names))
    errors = label_temperatures.errors(scored, label_temperatures.of_metrics(about, model.class_names))
    seconds = time.perf_counter() - began
    unseen = LabelEvaluation(scored.logits[~known], scored.labels[~known]) if 0 < known.sum() < len(known) else None
    metrics: dict[str, Any] = {
        **model.metrics,
        "phase": model.phase,
        **about,
        **label_reports.scores(scored, model.class_names),
        **errors,
        **seen.counts(run_dir, source.test),
        "map_on_images_not_trained_on": unseen.map if unseen else None,
        "weights_sha256": digest,
        "data_set": source.name,
        "test_time_augmentation": views,
        "evaluation_seconds": seconds,
    }
    drawn = label_reports.drawings(scored, model.class_names, evaluator.images["test"].take, title=title)
    names = source.test.names
    report = label_reports.write_report(run_dir.evaluation, scored, names=names, metrics=metrics, drawn=drawn)
    page.refresh(run_dir)
    if config.runtime.tensorboard:
        with tf.summary.create_file_writer(str(run_dir.logs("evaluate") / "test")).as_default(
            step=metrics["step"] or 0
        ):
            for name, figure in drawn.items():
                tf.summary.image(f"{IMAGES}test_{name}", figures.as_image(figure)[None])
    said = "\n".join(label_thresholds.in_words(about["label_thresholds"]))
    before, after = errors.values()
    temperatures = label_temperatures.in_words(about["label_temperatures"])
    said += f"\nmean calibration error of the labels {before:.2%}, {after:.2%} with {temperatures}"
    beside = f"mAP {unseen.map:.4f} on the images it was not trained on\n" if unseen else ""
    log.info("\n".join(["", report, f"{beside}{said}", f"everything is in {run_dir.evaluation}"]))
    return {**metrics, "loss": scored.loss, "accuracy": scored.accuracy}


def chosen(model: TrainedModel, evaluator: Evaluator, *, test_time_augmentation: str) -> dict[str, Any]:
    """The thresholds and the temperatures of a model, as its metrics record them.

    Where they do not yet, because the phase is not finished or earlier versions have trained it, or where
    probabilities are averaged over several views of an image, both are chosen on the validation split now.
    """
    names, keys = model.class_names, ("label_thresholds", "label_temperatures")
    is_recorded = label_thresholds.of_metrics(model.metrics, names) is not None
    if is_recorded and test_time_augmentation == "none" and keys[1] in model.metrics:
        return {key: model.metrics[key] for key in keys}
    held_out = evaluator.evaluate("validation") if len(evaluator.source.validation) else None
    known = held_out if isinstance(held_out, LabelEvaluation) else None
    found = label_thresholds.recorded(known, names)
    if is_recorded and test_time_augmentation == "none":
        found = {keys[0]: model.metrics[keys[0]]}
    return found | label_temperatures.recorded(known, names, chosen_on="validation")


class ForExports(NamedTuple):
    """What exports of a model of several labels apply: the temperature of each class, float64 [num_classes], the
    thresholds of probabilities with these temperatures, float32 [num_classes], and where the former are from."""

    temperatures: np.ndarray
    thresholds: np.ndarray
    stored: dict[str, Any]

    @property
    def metrics(self) -> dict[str, Any]:
        """What parity.json says, in the order of the classes."""
        values = {"temperatures": self.temperatures.tolist(), "thresholds": self.thresholds.tolist()}
        return {"task": "multi", **values}


def for_exports(model: TrainedModel, evaluator: Evaluator, *, test_time_augmentation: str) -> ForExports:
    """As `chosen`; the exports then give the labels that the model gives."""
    about = chosen(model, evaluator, test_time_augmentation=test_time_augmentation)
    least = label_thresholds.of_metrics(about, model.class_names)
    assert least is not None, "they were chosen now where there were none"
    temperatures = label_temperatures.of_metrics(about, model.class_names)
    return ForExports(temperatures, label_temperatures.thresholds_at(least, temperatures), about["label_temperatures"])


def least_of(model: TrainedModel) -> np.ndarray:
    """The probabilities from which the model gives each label: those that its phase has recorded, else 1/2; float32
    [num_classes]."""
    stored = label_thresholds.of_metrics(model.metrics, model.class_names)
    return np.full(len(model.class_names), label_scores.HALF, np.float32) if stored is None else stored
