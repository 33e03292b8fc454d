"""What a phase leaves behind: metrics, reports and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure

from ftdata.log import log
from trainers.config import Phase
from trainers.evaluation import figures, label_reports, label_temperatures, label_thresholds, reports, summary
from trainers.evaluation.label_scores import LabelEvaluation
from trainers.evaluation.scores import Evaluation
from trainers.evaluation.summary import Summary
from trainers.models import plain_layers
from trainers.models.classifier import base_of, load_weights
from trainers.rundir import checkpoint, seen, ties
from trainers.rundir.progress import Progress, Row, read_history
from trainers.rundir.run_dir import write_atomically, write_json
from trainers.training import feature_views, interpolation
from trainers.training.context import RunContext
from trainers.training.held_out import HeldOut
from trainers.training.tensorboard import TensorBoardWriter, write_hparams


def finish(
    phase: Phase,
    context: RunContext,
    network: keras.Model,
    held_out: HeldOut,
    progress: Progress,
    board: TensorBoardWriter | None,
) -> dict[str, Any]:
    """Evaluates the best model on the test set, once, and writes what the phase leaves behind.

    A fold has no test set: it leaves its numbers alone.
    """
    best = progress.best
    if phase.starts_from and context.config.training.interpolate_weights and not context.role.is_fold:
        best = interpolation.choose(phase, context, network, held_out, progress)
    assert best is not None, "a finished phase has a best epoch"
    if context.processes.is_chief:
        load_weights(network, context.run_dir.phase(phase.name).best)
    context.processes.broadcast_variables(network.weights)
    if context.role.is_fold:
        return context.processes.broadcast_object(lambda: _write_fold(phase, context, network, progress, best, board))
    test, found = held_out.evaluate("test"), dict[str, Any]()
    if context.config.task == "multi":
        chosen_on = held_out.evaluate("validation") if len(context.source.validation) else None
        test, found = _of_labels(phase, context, test, chosen_on)
    return context.processes.broadcast_object(
        lambda: _write(phase, context, network, test, progress, best, board, found)
    )


def _of_labels(
    phase: Phase, context: RunContext, test: Evaluation | Summary, held_out: Evaluation | Summary | None
) -> tuple[Evaluation | Summary, dict[str, Any]]:
    """The scores with the thresholds that the folds or the validation split chose, and what metrics.json says of those
    and of the temperatures."""
    if not isinstance(test, LabelEvaluation):  # another worker than rank 0
        return test, {}
    names, by_folds = context.source.class_names, context.role.metrics.get(phase.name, {})
    of_folds = {key: by_folds[key] for key in ("label_thresholds", "label_temperatures") if key in by_folds}
    found = of_folds
    if not found:
        known = held_out if isinstance(held_out, LabelEvaluation) else None
        found = label_thresholds.recorded(known, names)
        found |= label_temperatures.recorded(known, names, chosen_on="validation")
    test = test.with_thresholds(label_thresholds.of_metrics(found, names))
    return test, found | label_temperatures.errors(test, label_temperatures.of_metrics(found, names))


def _write_fold(
    phase: Phase,
    context: RunContext,
    network: keras.Model,
    progress: Progress,
    best: Row,
    board: TensorBoardWriter | None,
) -> dict[str, Any]:
    metrics = _metrics(phase, context, network, progress, best)
    if board:
        board.close()
    write_json(context.run_dir.phase(phase.name).metrics, metrics)
    log.info(f"{phase.name}: {outcome(metrics)}")
    return metrics


def outcome(metrics: dict[str, Any]) -> str:
    """How good a finished phase is: on its test set, or a fold on the images that it left out."""
    if metrics.get("test_map") is not None:
        return f"test mAP {percent(metrics['test_map'])}, macro F1 {percent(metrics['test_f1_macro'])}"
    if metrics.get("validation_map") is not None and "test_accuracy" not in metrics:
        return f"mAP on what was left out {percent(metrics['validation_map'])}"
    name = "test_accuracy" if "test_accuracy" in metrics else "validation_accuracy"
    where = "test accuracy" if name == "test_accuracy" else "accuracy on what was left out"
    return f"{where} {percent(metrics[name])}"


def _write(
    phase: Phase,
    context: RunContext,
    network: keras.Model,
    test: Evaluation | Summary,
    progress: Progress,
    best: Row,
    board: TensorBoardWriter | None,
    found: dict[str, Any],
) -> dict[str, Any]:
    assert isinstance(test, Evaluation), "rank 0 has all scores"
    files = context.run_dir.phase(phase.name)
    if phase.name == "pretrain":
        plain_layers.settle_positions(network)
        write_atomically(files.backbone_weights, base_of(network).save_weights)
    metrics, files_of = _metrics(phase, context, network, progress, best) | found, reporting(test)
    metrics |= files_of.scores(test, context.source.class_names) | seen.counts(context.run_dir, context.source.test)
    metrics |= context.role.metrics.get(phase.name, {})
    drawn = _draw(phase, context, test, progress, board)
    report = files_of.write_report(
        context.run_dir.evaluation, test, names=context.source.test.names, metrics=metrics, drawn=drawn
    )
    if board:
        write_hparams(
            context.run_dir.hparams(phase.name),
            run=context.run_dir.root,
            settings=context.record.deciding[phase.name],
            metrics=metrics,
        )
    write_json(files.metrics, metrics)
    read = f" on {feature_views.in_words(progress)}" if progress.features else ""
    log.info(
        f"{_choice(phase, metrics, progress.history)}, {outcome(metrics)} "
        f"({progress.seconds:.0f} s of training{read}; checkpoints held it up for "
        f"{progress.checkpoint_stall_seconds:.1f} s and took {progress.checkpoint_write_seconds:.1f} s to write)"
        f"\n\n{report}"
    )
    if "label_thresholds" in found:
        log.info("\n".join(label_thresholds.in_words(found["label_thresholds"])))
        log.info(f"exports have the {label_temperatures.in_words(found['label_temperatures'])}")
    return metrics


def _choice(phase: Phase, metrics: dict[str, Any], history: Sequence[Row]) -> str:
    """Which epoch was kept and what chose it."""
    monitor, accuracy = metrics["monitor"], metrics["validation_accuracy"]
    if metrics.get("chosen_among") == 1:  # another phase starts from it: no fold has chosen
        epoch = metrics["epoch"]
        return f"{phase.name}: kept {f'the last epoch, {epoch}' if epoch else 'the head that was solved for'}"
    if "chosen_among" in metrics:
        return f"{phase.name}: kept {which(metrics)}, which the folds chose among {metrics['chosen_among']}"
    if accuracy is None:
        return f"{phase.name}: kept the last epoch, {metrics['epoch']}: there is no validation split to choose by"
    value = metrics[f"validation_{monitor}"]
    chosen = (
        f"validation {summary.in_words(monitor)} {value:.4f}"
        if monitor == "loss"
        else (f"validation {summary.in_words(monitor)} {percent(value)}")
    )
    if "test_map" in metrics and monitor != "map":
        chosen += f", validation mAP {percent(metrics['validation_map'])}"
    elif monitor != "accuracy" and "test_map" not in metrics:
        chosen += f", validation accuracy {percent(accuracy)}"
    if metrics["images_per_second"] is None:
        return f"{phase.name}: the head that was solved for has {chosen}"
    if metrics["epoch"] == 0:
        return (
            f"{phase.name}: no epoch was better than the model it started from, which is kept and is what predict, "
            f"evaluate and export take; a lower --{phase.name}_learning_rate may help. Chosen by {chosen}"
        )
    tie = ties.in_words(metrics, history)
    return f"{phase.name}: best is {which(metrics)}{f' ({tie})' if tie else ''}, chosen by {chosen}"


def which(metrics: Mapping[str, Any]) -> str:
    """Which model of a phase its metrics are of."""
    if not metrics["epoch"]:
        return "the model it started from"
    alpha, decay = metrics.get("interpolation", {}).get("alpha", 1), metrics.get("ema_decay")
    average = "" if decay is None else f" (EMA {decay:g})"
    soup = f"the average of {metrics['soup']} folds' models after " if "soup" in metrics else ""
    return f"{soup}{'' if alpha == 1 else f'{alpha:.0%} of the way to '}epoch {metrics['epoch']}{average}"


def _metrics(
    phase: Phase,
    context: RunContext,
    network: keras.Model,
    progress: Progress,
    best: Row,
) -> dict[str, Any]:
    trained = [row for row in progress.history if row["epoch"]]
    return {
        "phase": phase.name,
        "step": progress.step,
        "monitor": context.config.monitor,
        **{name: best[name] for name in ("epoch", "loss", "accuracy")},
        **{name: value for name, value in best.items() if name.startswith("validation_")},
        **{name: best[name] for name in ("ema_decay", "interpolation") if name in best},
        **{name: _median(name, trained) for name in ("images_per_second", "input_wait_fraction")},
        "seconds": progress.seconds,
        "checkpoint_stall_seconds": progress.checkpoint_stall_seconds,
        "checkpoint_write_seconds": progress.checkpoint_write_seconds,
        "skipped_steps": progress.skipped_steps,
        **({"feature_rows": progress.features["rows"]} if progress.features else {}),
        "weights_sha256": checkpoint.weights_sha256(plain_layers.weights(network)),
    }


def _median(column: str, rows: Sequence[Row]) -> float | None:
    """Over the epochs; None where none was trained."""
    return float(np.median([row[column] for row in rows])) if rows else None


def _draw(
    phase: Phase,
    context: RunContext,
    test: Evaluation,
    progress: Progress,
    board: TensorBoardWriter | None,
) -> dict[str, Figure]:
    names, title = context.source.class_names, f"test set after {phase.name}"
    histories = {phase.name: progress.history}
    if phase.starts_from:
        earlier = read_history(context.run_dir.phase(phase.starts_from).history)
        histories = {phase.starts_from: earlier, **histories}
    drawn = reporting(test).drawings(test, names, context.images["test"].take, title=title)
    figures.save(figures.curves(histories, monitor=context.config.monitor), context.run_dir.phase(phase.name).curves)
    if board:
        for name, figure in drawn.items():
            board.image(f"test_{name}", figures.as_image(figure), step=progress.step)
        board.close()
    return drawn


def reporting(evaluation: Evaluation) -> Any:
    """The module that writes what there is to say: `reports`, or `label_reports` of several labels."""
    return label_reports if isinstance(evaluation, LabelEvaluation) else reports


def percent(share: float | None) -> str:
    """`77.55%`, or `none`."""
    return "none" if share is None else f"{share:.2%}"
