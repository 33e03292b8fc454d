"""What `--phase=evaluate` says of a model that gives several labels an image."""

import time
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata.log import log
from trainers.commands.evaluator import Evaluator
from trainers.commands.trained_model import TrainedModel
from trainers.config import TrainConfig
from trainers.evaluation import figures, label_reports, label_scores, label_thresholds
from trainers.evaluation.label_scores import LabelEvaluation
from trainers.report import page
from trainers.rundir import seen
from trainers.rundir.run_dir import RunDir


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
    stored = label_thresholds.of_metrics(model.metrics, model.class_names) if views == "none" else None
    about = {"label_thresholds": model.metrics.get("label_thresholds")}
    if stored is None:
        held_out = evaluator.evaluate("validation") if len(source.validation) else None
        about = label_thresholds.recorded(
            held_out if isinstance(held_out, LabelEvaluation) else None, model.class_names
        )
        stored = label_thresholds.of_metrics(about, model.class_names)
    began = time.perf_counter()
    scored = evaluator.evaluate("test")
    assert isinstance(scored, LabelEvaluation), "the labels are several"
    scored = scored.with_thresholds(stored)
    seconds = time.perf_counter() - began
    unseen = LabelEvaluation(scored.logits[~known], scored.labels[~known]) if 0 < known.sum() < len(known) else None
    metrics: dict[str, Any] = {
        **model.metrics,
        "phase": model.phase,
        **about,
        **label_reports.scores(scored, model.class_names),
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
                tf.summary.image(f"test_{name}", figures.as_image(figure)[None])
    said = "\n".join(label_thresholds.in_words(about["label_thresholds"]))
    beside = f"mAP {unseen.map:.4f} on the images it was not trained on\n" if unseen else ""
    log.info("\n".join(["", report, f"{beside}{said}", f"everything is in {run_dir.evaluation}"]))
    return {**metrics, "loss": scored.loss, "accuracy": scored.accuracy}


def least_of(model: TrainedModel) -> np.ndarray:
    """The probabilities from which the model gives each label: those that its phase has recorded, else 1/2; float32
    [num_classes]."""
    stored = label_thresholds.of_metrics(model.metrics, model.class_names)
    return np.full(len(model.class_names), label_scores.HALF, np.float32) if stored is None else stored
