"""One phase from its start to its files: build, train, take the best epoch, evaluate."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from ftdata import labels, pipeline
from ftdata.augment.augmentation import Augmentation
from ftdata.cache.images import FeatureViews
from ftdata.errors import UserError
from ftdata.log import log
from ftdata.names import counted
from trainers.config import Phase
from trainers.evaluation import figures, tiles
from trainers.models import folding, lora
from trainers.models.cut import cut
from trainers.models.trainable import layer_table, unfreezing
from trainers.rundir import bound
from trainers.rundir.checkpointer import Checkpointer, NullCheckpointer, restore
from trainers.rundir.divergence import Diverged, advice
from trainers.rundir.progress import Progress
from trainers.rundir.run_dir import read_json
from trainers.training import feature_views, head_solver, interpolation, phase_model, phase_step, results
from trainers.training.averaging import restart_averages
from trainers.training.callbacks import Profile, ProgressLines
from trainers.training.candidates import Candidates
from trainers.training.context import RunContext
from trainers.training.held_out import HeldOut
from trainers.training.loop import Loop
from trainers.training.misfits import misfits
from trainers.training.optimizer import optimizer_state
from trainers.training.phase_receipt import PhaseReceipt, lasting
from trainers.training.plan import PhasePlan, make_plan
from trainers.training.streams import Streams
from trainers.training.tensorboard import TensorBoardWriter


def run_phase(
    phase: Phase, context: RunContext, *, network: keras.Model | None, callbacks: Sequence[keras.callbacks.Callback]
) -> dict[str, Any]:
    """Runs a phase, or takes its result from model_dir where it is finished; returns its metrics.

    Args:
      phase: to run.
      context: with its images open.
      network: its model, where `build_first` has built it.
      callbacks: further Keras callbacks.

    Raises:
      Diverged: the loss or the weights are not finite; the last checkpoint is from before that.
      Interrupted: somebody asked to stop; everything is saved.
      WriteFailed: no space, no permission; the last checkpoint is whole.
    """
    files, processes = context.run_dir.phase(phase.name), context.processes
    finished = processes.broadcast_object(lambda: read_json(files.metrics))
    if finished:
        if context.receipt:
            context.receipt.finish_phase(phase.name, lasting(finished))
        log.info(f"{phase.name}: finished before ({results.outcome(finished)})")
        return finished
    network = phase_model.build(phase, context) if network is None else network
    plan = make_plan(phase, context)
    _describe(phase, plan, context, network)
    groups = variable_groups(network)
    receipt = PhaseReceipt(phase, plan, context, groups, [type(callback).__name__ for callback in callbacks])
    is_chief = processes.is_chief
    checkpointer = Checkpointer(files, groups=groups, saved=receipt.saved) if is_chief else NullCheckpointer()
    progress = restore(checkpointer, groups=groups, processes=processes)
    receipt.begin(progress)
    board = _open_board(phase, context, progress)
    made = assemble(phase, plan, context, network, checkpointer, progress, board=board, callbacks=callbacks)
    if board and board.is_new and made.views:
        board.text("features", f"{counted(progress.features['rows'], 'row')} of features in place of images")
    _show_training_images(phase, board, context, made.augmentation, made.views)
    receipt.follow(made.streams, progress)
    try:
        made.loop.run()
    except Diverged as error:
        step = checkpointer.step
        kept = f"the checkpoint of step {step} is kept" if step else "no checkpoint was written yet"
        change = advice(phase.name, context.config.training, precision=context.config.precision)
        way = bound.way_to_change(phase.name, context.run_dir)
        raise Diverged(f"{phase.name} diverged: {error}. {kept}; {change}, {way}") from error
    receipt.end(progress)
    metrics = results.finish(phase, context, network, made.held_out, progress, board)
    receipt.finish(metrics)
    return metrics


class Assembled(NamedTuple):
    """A phase that is ready to be trained."""

    loop: Loop
    held_out: HeldOut
    augmentation: Augmentation
    views: FeatureViews | None
    streams: Streams


def variable_groups(network: keras.Model) -> dict[str, Sequence[keras.Variable]]:
    """The variables that decide the next step."""
    return {"weights": network.weights, "optimizer": optimizer_state(network.optimizer)}


def assemble(
    phase: Phase,
    plan: PhasePlan,
    context: RunContext,
    network: keras.Model,
    checkpointer: Checkpointer | NullCheckpointer,
    progress: Progress,
    *,
    board: TensorBoardWriter | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Assembled:
    """What trains a phase from where `progress` and the variables are; a head that is solved for has been solved.

    Raises:
      UserError: there is no room for features that the phase cannot do without.
      Interrupted: somebody asked to stop.
    """
    augmentation = phase_step.augmentation_of(phase, context)
    parts, consensus = cut(network), context.new_consensus()
    held_out = HeldOut(network, context, parts)
    is_soup = phase.name in context.role.soup
    views = None if is_soup else feature_views.of_phase(phase, plan, context, parts, progress)
    suffix = parts.suffix if parts and views else None
    if plan.solves_head and not progress.history:
        if views is None:
            raise UserError("head_solver=lbfgs needs features, and there is no room for them: see the line above")
        _begin_with(functools.partial(head_solver.solve, network, views, context), network, context)
    if is_soup and not progress.history:
        _begin_with(lambda: interpolation.assign(network, context.role.soup[phase.name]()), network, context)
    loop = Loop(
        plan,
        model=network,
        train_step=phase_step.train_step(context, network, augmentation, consensus, suffix=suffix),
        batches=phase_step.training_batches(context, views or context.images["train"], seed=augmentation.seed),
        candidates=Candidates(phase, network, context, held_out, progress=progress, board=board),
        checkpointer=checkpointer,
        progress=progress,
        board=board,
        consensus=consensus,
        callbacks=[*callbacks, *_callbacks(phase, plan, context, board, reads_features=views is not None)],
    )
    return Assembled(loop, held_out, augmentation, views, Streams(plan, context, augmentation, views))


def _begin_with(assign: Callable[[], None], network: keras.Model, context: RunContext) -> None:
    """Rank 0 assigns the weights that the phase begins with, for all workers and for the averages."""
    if context.processes.is_chief:
        assign()
    context.processes.broadcast_variables(network.weights)
    restart_averages(network.optimizer)


def _describe(phase: Phase, plan: PhasePlan, context: RunContext, network: keras.Model) -> None:
    lines = [
        f"\n{phase.name}: {'the head is solved for' if plan.solves_head else counted(plan.epochs, 'epoch')}",
        *([] if context.role.is_fold else [layer_table(network)]),  # the run on all images shows it
        *_folding(network, context),
        *unfreezing(network, phase, context.config.training.unfreeze),
        *lora.in_words(network),
        *_rates(network, phase, context),
        *(f"note: {note}" for note in misfits(phase, plan, context)),
    ]
    log.info("\n".join(lines))


def _folding(network: keras.Model, context: RunContext) -> list[str]:
    count = folding.count(network, inference=False) if context.config.fold_batch_norm else 0
    return [f"batch normalization: {count} folded into the convolutions before them"] if count else []


def _rates(network: keras.Model, phase: Phase, context: RunContext) -> list[str]:
    factors = phase_model.rate_factors(network, phase, context.config.training)
    return [f"learning rate: {min(factors):.2g} of the head's in the first layer that trains"] if factors else []


def _callbacks(
    phase: Phase, plan: PhasePlan, context: RunContext, board: TensorBoardWriter | None, *, reads_features: bool
) -> list[keras.callbacks.Callback]:
    """Those of this project, for rank 0."""
    if not context.processes.is_chief:
        return []
    chosen: list[keras.callbacks.Callback] = [
        ProgressLines(
            phase.name,
            total_steps=plan.total_steps,
            global_batch=plan.global_batch,
            monitor=plan.monitor,
            reads_features=reads_features,
            task=context.config.task,
        )
    ]
    if board:
        chosen.append(board)
    if context.config.runtime.profile_steps:
        folder = context.run_dir.logs(phase.name) / "train"
        chosen.append(Profile(*context.config.runtime.profile_steps, folder=folder))
    return chosen


def _open_board(phase: Phase, context: RunContext, progress: Progress) -> TensorBoardWriter | None:
    if not (context.config.runtime.tensorboard and context.processes.is_chief):
        return None
    board = TensorBoardWriter(context.run_dir.logs(phase.name), recorded=progress.event_files)
    if board.is_new:
        rows = [f"| {name} | {value} |" for name, value in context.record.settings.items() if value is not None]
        board.layout()
        board.text("configuration", "\n".join(["| setting | value |", "| --- | --- |", *rows]))
    return board


def _show_training_images(
    phase: Phase,
    board: TensorBoardWriter | None,
    context: RunContext,
    augmentation: Augmentation,
    views: FeatureViews | None,
) -> None:
    """What the model will see: the first images of the first step, augmented; where they are not shown already."""
    path, for_board = context.run_dir.phase(phase.name).augmented, board is not None and board.is_new
    is_kept = not context.processes.is_chief or context.role.is_fold or path.is_file()
    if is_kept and not for_board:
        return
    count, source = min(16, context.config.training.batch_size), context.source
    index = pipeline.image_at(tf.range(count, dtype=tf.int64), count=len(source.train), seed=augmentation.seed).numpy()
    images = context.images["train"].take(index)
    captions = [labels.in_words(label, source.class_names) for label in source.train.labels[index]]
    if views:
        shown = feature_views.shown_first(images, index, views, context)
    else:
        size = context.config.training.batch_size
        augmented = augmentation(tf.constant(images), tf.range(count), step=tf.constant(0), global_batch=size)
        shown = augmented.images.numpy()
        if augmented.share is not None:
            shares = augmented.share.numpy()
            captions = [f"{share:.0%} {caption}" for share, caption in zip(shares, captions, strict=True)]
    grid = tiles.image_grid(shown, captions, title="training images, augmented")
    if board is not None and for_board:
        board.image("training_images", figures.as_image(grid), step=0)
    if not is_kept:
        figures.save(grid, path)
