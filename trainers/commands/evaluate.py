"""--phase=evaluate: how good the trained model is on its test set or on another folder."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from ftdata.folders import named_images
from ftdata.log import log
from ftdata.names import counted
from trainers.commands import class_thresholds, label_evaluation, none_of_these, trained_model
from trainers.commands.evaluator import (
    Evaluator,
    fit_on_validation,
    names_other_images,
    open_other,
    open_own,
    stored_temperature,
)
from trainers.config import TrainConfig, multi_label, other_channels
from trainers.evaluation import calibration, excerpt, figures, grad_cam, reports, scores, thresholds
from trainers.evaluation.calibration import Temperature
from trainers.evaluation.scores import Evaluation
from trainers.models import symmetries
from trainers.models.class_names import in_a_line
from trainers.report import page
from trainers.rundir import checkpoint, seen
from trainers.rundir.run_dir import RunDir
from trainers.runtime.devices import make_strategy, runs_on_gpu
from trainers.runtime.signals import StopRequest
from trainers.training.tensorboard import IMAGES

# Of the phase that made the model: metrics.json has the same keys whether a phase or an evaluation wrote it.
_OF_THE_PHASE = (
    "phase", "step", "epoch", "monitor", "validation_loss", "validation_accuracy", "validation_balanced_accuracy",
    "validation_f1_macro", "images_per_second", "input_wait_fraction", "seconds",
)  # fmt: skip


def run(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    """Evaluates the best model of `config.model_dir` and writes evaluation/; returns its metrics.json.

    Raises:
      Interrupted: somebody asked to stop.
      UserError: no trained model, or images that cannot be used; the message says what to do.
    """
    run_dir = RunDir(Path(config.model_dir).expanduser())
    if config.use.other_images:
        named_images.find(config.use.other_images, setting="other_images")  # said now if nothing is there
    model = trained_model.of_run(run_dir)
    multi_label.check_use(config.use, task=model.task)
    other_channels.check_use(config.use, channels=model.data.channels)
    devices = make_strategy(config.runtime.distribution_strategy)
    with devices.scope():
        network = model.load()
    is_other = names_other_images(config.data, model)
    source = open_other(config.data, model) if is_other else open_own(config.data, model)
    what = source.name if is_other else "test set"
    log.info(f"{model.path} on {counted(len(source.test), 'image')} ({source.name})")
    for note in source.notes if is_other else ():
        log.info(f"  {note}")
    record = seen.of_model(model.path)
    known = record.trains_on(source.test) if record else np.zeros(len(source.test), bool)
    if known.any():
        log.info(_warning(known))
    views = config.use.test_time_augmentation
    with devices.scope():
        scoring = symmetries.averaged(network, views)
    fold = model.folds(config.runtime.fold_batch_norm, on_gpu=runs_on_gpu(devices))
    evaluator = Evaluator(
        scoring,
        source,
        model.adapt(config.data),
        batch_size=config.training.batch_size,
        devices=devices,
        jit_compile=config.runtime.jit_compile,
        fold_batch_norm=fold,
        stop=stop,
    )
    if model.task == "multi":
        digest, title = checkpoint.weights_sha256(network.weights), f"{what} after {model.phase}"
        return label_evaluation.finish(config, run_dir, model, evaluator, known=known, title=title, digest=digest)
    temperature = stored_temperature(run_dir, network, test_time_augmentation=views)
    if temperature is None or not is_other:
        temperature = fit_on_validation(evaluator, model if views == "none" else None)
    chosen = class_thresholds.asked_for(config.use, evaluator, run_dir, model)
    if chosen:
        class_thresholds.keep(chosen, run_dir, network, test_time_augmentation=views)
    else:
        chosen = class_thresholds.kept(run_dir, network, model, test_time_augmentation=views)
    boundary = none_of_these.wanted(config, run_dir, model, network, evaluator)
    began = time.perf_counter()
    scored = evaluator.evaluate("test")
    seconds = time.perf_counter() - began
    right, average = scored.predicted == scored.labels, scores.average_precision(scored)
    calibrated = scored.with_temperature(temperature.value) if temperature else None
    metrics: dict[str, Any] = {
        **dict.fromkeys(_OF_THE_PHASE),
        **model.metrics,
        "phase": model.phase,
        **reports.scores(scored, model.class_names),
        **seen.counts(run_dir, source.test),
        "accuracy_on_images_not_trained_on": float(right[~known].mean()) if 0 < known.sum() < len(known) else None,
        **_probability_scores(scored, calibrated, temperature),
        "average_precision": _by_class(average, model.class_names),
        "weights_sha256": checkpoint.weights_sha256(network.weights),
        "data_set": source.name,
        "test_time_augmentation": views,
        "evaluation_seconds": seconds,
    }
    lines = []
    if chosen:
        found = chosen.thresholds.metrics(scored, model.class_names)
        metrics |= chosen.metrics(found)
        lines = ["", *thresholds.in_words(chosen.chosen_on, found)]
    title = f"{what} after {model.phase}"
    if boundary:
        distances = boundary.novelty.distances(evaluator.features(network, source.test))
        others = none_of_these.others(config, boundary, network, evaluator)
        metrics |= boundary.metrics(distances, others)
        lines += ["", *boundary.in_words(distances, others)]
    images_at = evaluator.images["test"].take
    drawn = reports.drawings(scored, model.class_names, images_at, title=title)
    stop.check()
    (run_dir.evaluation / "grad_cam.png").unlink(missing_ok=True)  # of a network before this one
    drawn |= _where_mistaken(network, scored, model.class_names, images_at, title=title, fold_batch_norm=fold)
    drawn["reliability"] = figures.reliability_diagram(scored, calibrated, title=title)
    drawn["precision_recall"] = figures.precision_recall(scored, model.class_names, average, title=title)
    stop.check()
    report = reports.write_report(run_dir.evaluation, scored, names=source.test.names, metrics=metrics, drawn=drawn)
    page.refresh(run_dir)
    if config.runtime.tensorboard:
        curves = scores.lowest(average, excerpt.MOST_CLASSES)
        folder, step = run_dir.logs("evaluate") / "test", metrics["step"] or 0
        _write_board(folder, scored, model.class_names, curves, drawn, step=step)
    log.info("\n".join(["", report, _in_words(metrics, temperature), *lines, f"everything is in {run_dir.evaluation}"]))
    return {**metrics, "loss": scored.loss, "accuracy": scored.accuracy}


def _probability_scores(
    scored: Evaluation, calibrated: Evaluation | None, temperature: Temperature | None
) -> dict[str, float | None]:
    error = calibration.expected_calibration_error
    return {
        "expected_calibration_error": error(scored),
        "temperature": temperature.value if temperature else None,
        "temperature_images": temperature.images if temperature else None,
        "calibrated_loss": calibrated.loss if calibrated else None,
        "calibrated_expected_calibration_error": error(calibrated) if calibrated else None,
    }


def _where_mistaken(
    network: keras.Model,
    scored: Evaluation,
    names: Sequence[str],
    images_at: Callable[[np.ndarray], np.ndarray],
    *,
    title: str,
    fold_batch_norm: bool,
) -> dict[str, Figure]:
    """The worst mistakes, with what in them spoke for the wrong class; empty for a network without feature maps."""
    worst = figures.worst_mistakes(scored)
    images = images_at(worst)
    maps = grad_cam.heat(network, images, scored.predicted[worst], fold_batch_norm=fold_batch_norm)
    if maps is None:
        if grad_cam.is_single_place(network):
            side = network.input_shape[1]
            log.info(f"note: no Grad-CAM, as the feature maps are 1x1 at {side}x{side} pixels: they know no places")
        return {}
    captions = figures.mistake_captions(worst, scored, names)
    return {"grad_cam": grad_cam.gallery(images, maps, captions, title=f"{title}: what spoke for the wrong class")}


def _by_class(values: np.ndarray, class_names: tuple[str, ...]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else float(value) for name, value in zip(class_names, values, strict=True)}


def _warning(known: np.ndarray) -> str:
    return (
        f"warning: the model was trained on {known.sum():,} of {counted(len(known), 'image')} here, so the accuracy "
        "reads too high: remove them, or evaluate its own test set, without --dataset, --image_dir, --labels_csv and "
        "--records"
    )


def _in_words(metrics: dict[str, Any], temperature: Temperature | None) -> str:
    if metrics["accuracy_on_images_not_trained_on"] is not None:
        unseen = f"accuracy {metrics['accuracy_on_images_not_trained_on']:.2%} on the images it was not trained on\n"
    else:
        unseen = ""
    line = f"{unseen}expected calibration error {metrics['expected_calibration_error']:.2%}"
    views = metrics["test_time_augmentation"]
    if temperature is None:
        return f"{line}; no temperature: among these images are none that the run has validated on"
    if temperature.value == 1.0:
        return f"{line}; {temperature.in_words}"
    return (
        f"{line}; {metrics['calibrated_expected_calibration_error']:.2%} with the {temperature.in_words}, "
        f"which exports{'' if views == 'none' else f' with --test_time_augmentation={views}'} apply"
    )


def _write_board(
    folder: Path,
    scored: Evaluation,
    names: tuple[str, ...],
    curves: np.ndarray,
    drawn: dict[str, Any],
    *,
    step: int,
) -> None:
    """The figures, and a precision-recall curve of the classes `curves` for TensorBoard's own page."""
    from tensorboard.plugins.pr_curve import summary

    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default(step=step):
        for name, figure in drawn.items():
            tf.summary.image(f"{IMAGES}test_{name}", figures.as_image(figure)[None])
        for k, column in zip(curves, scored.by_class(curves.tolist()), strict=True):
            labels, tag = scored.shows(k), f"precision_recall/{in_a_line(names[k])}"
            curve = summary.pb(tag, labels, column)
            tf.summary.experimental.write_raw_pb(curve.SerializeToString(), step=step)
    writer.close()
