"""What a phase leaves behind: metrics, reports and pictures."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure

from trainers import callbacks as own_callbacks
from trainers import checkpoint, figures, hparams, model, phases, reported, seen
from trainers.evaluate import Evaluation, Summary
from trainers.evaluation_step import EvaluationStep
from trainers.job import Job, evaluate_split
from trainers.progress import Progress, read_history
from trainers.workdir import write_atomically, write_json


def finish(
    phase: phases.Phase,
    job: Job,
    network: keras.Model,
    score: EvaluationStep,
    progress: Progress,
    board: own_callbacks.TensorBoardWriter | None,
) -> dict[str, Any]:
    """Evaluates the best epoch on the test set, once, and writes what the phase leaves behind."""
    if job.team.is_chief:
        model.load_weights(network, job.workdir.phase(phase.name).best)
    job.team.share(network.weights)
    test = evaluate_split("test", job, score)
    return job.team.from_chief(lambda: _write(phase, job, network, test, progress, board))


def _write(
    phase: phases.Phase,
    job: Job,
    network: keras.Model,
    test: Evaluation | Summary,
    progress: Progress,
    board: own_callbacks.TensorBoardWriter | None,
) -> dict[str, Any]:
    assert isinstance(test, Evaluation), "the chief has all scores"
    files, class_names = job.workdir.phase(phase.name), job.source.class_names
    if phase.name == "pretrain":
        write_atomically(files.backbone_weights, model.base_of(network).save_weights)
    metrics = _metrics(phase, network, progress, test, class_names) | seen.counts(job.workdir, job.source.test)
    drawn = _draw(phase, job, test, progress, board)
    report = reported.write(job.workdir.evaluation, test, names=job.source.test.names, metrics=metrics, drawn=drawn)
    if board:
        hparams.write(job.workdir.hparams(phase.name), job.config, metrics)
    write_json(files.metrics, metrics)
    validation = f"validation accuracy {percent(metrics['validation_accuracy'])}, "
    print(
        f"{phase.name}: best epoch {metrics['epoch']}, {validation}test accuracy {percent(test.accuracy)} "
        f"({progress.seconds:.0f} s of training; checkpoints held it up for {progress.checkpoint_stall_seconds:.1f} s "
        f"and took {progress.checkpoint_write_seconds:.1f} s to write)\n\n{report}",
        flush=True,
    )
    return metrics


def _metrics(
    phase: phases.Phase,
    network: keras.Model,
    progress: Progress,
    test: Evaluation,
    class_names: Sequence[str],
) -> dict[str, Any]:
    best, history = progress.best, progress.history
    assert best is not None, "a finished phase has a best epoch"
    return {
        "phase": phase.name,
        "step": progress.step,
        **{name: best[name] for name in ("epoch", "loss", "accuracy", "validation_loss", "validation_accuracy")},
        **reported.scores(test, class_names),
        "images_per_second": float(np.median([row["images_per_second"] for row in history])),
        "input_wait_fraction": float(np.median([row["input_wait_fraction"] for row in history])),
        "seconds": progress.seconds,
        "checkpoint_stall_seconds": progress.checkpoint_stall_seconds,
        "checkpoint_write_seconds": progress.checkpoint_write_seconds,
        "skipped_steps": progress.skipped_steps,
        "weights_sha256": checkpoint.weights_sha256(network.weights),
    }


def _draw(
    phase: phases.Phase,
    job: Job,
    test: Evaluation,
    progress: Progress,
    board: own_callbacks.TensorBoardWriter | None,
) -> dict[str, Figure]:
    names, title = job.source.class_names, f"test set after {phase.name}"
    histories = {phase.name: progress.history}
    if phase.starts_from:
        earlier = read_history(job.workdir.phase(phase.starts_from).history)
        histories = {phase.starts_from: earlier, **histories}
    drawn = reported.drawings(test, names, job.pictures["test"].take, title=title)
    figures.save(figures.curves(histories), job.workdir.phase(phase.name).curves)
    if board:
        for name, picture in drawn.items():
            board.image(f"test_{name}", figures.as_image(picture), step=progress.step)
        board.close()
    return drawn


def percent(share: float | None) -> str:
    """`77.55%`, or `none`."""
    return "none" if share is None else f"{share:.2%}"
