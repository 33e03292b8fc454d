"""One phase from its start to its files: build, train, take the best epoch, evaluate."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from ftdata import data_service, pipeline, seeds
from ftdata.augment.augmentation import Augmentation
from ftdata.errors import UserError
from ftdata.log import log
from trainers.config import PHASES, Phase, epochs_and_rate, sequence
from trainers.evaluation import figures
from trainers.evaluation.scores import Evaluation, Summary
from trainers.evaluation.step import EvaluationStep
from trainers.models import classifier, trainable
from trainers.rundir import checkpointer, divergence, record
from trainers.rundir.progress import Progress
from trainers.rundir.run_dir import read_json
from trainers.runtime import devices
from trainers.runtime.compilation import COMPILE_AUGMENTATION
from trainers.training import callbacks as own_callbacks
from trainers.training import loop, misfits, optimizer, results, schedule
from trainers.training.context import RunContext, evaluate_split
from trainers.training.step import TrainStep


def build_first(context: RunContext) -> dict[str, keras.Model]:
    """The model of the first phase that is not finished, by the phase's name; empty if all are.

    Building it early finds settings of the model that cannot be used before the pictures are decoded.
    """

    def unfinished() -> list[str]:
        names = [phase.name for phase in sequence(context.config.phase)]
        return [name for name in names if context.config.overwrite or not context.run_dir.phase(name).metrics.is_file()]

    return {name: _build(PHASES[name], context) for name in context.processes.broadcast_object(unfinished)[:1]}


def run_phase(
    phase: Phase, context: RunContext, *, network: keras.Model | None, callbacks: Sequence[keras.callbacks.Callback]
) -> dict[str, Any]:
    """Runs a phase, or takes its result from model_dir where it is finished; returns its metrics.

    Args:
      phase: to run.
      job: with its pictures open.
      network: its model, where `build_first` has built it.
      callbacks: further Keras callbacks.
    """
    files = context.run_dir.phase(phase.name)
    finished = context.processes.broadcast_object(lambda: read_json(files.metrics))
    if finished:
        log.info(f"{phase.name}: finished before (test accuracy {results.percent(finished['test_accuracy'])})")
        return finished
    network = _build(phase, context) if network is None else network
    plan = make_plan(phase, context)
    epochs = f"{plan.epochs} epoch{'' if plan.epochs == 1 else 's'}"
    lines = [
        f"\n{phase.name}: {epochs}",
        trainable.layer_table(network),
        *trainable.unfreezing(network, phase, context.config),
    ]
    lines += [f"note: {note}" for note in misfits.misfits(phase, plan, context)]
    log.info("\n".join(lines))
    groups = {"weights": network.weights, "optimizer": optimizer.state(network.optimizer)}
    keeps = (
        checkpointer.Checkpointer(files, groups=groups)
        if context.processes.is_chief
        else checkpointer.NullCheckpointer()
    )
    progress = checkpointer.restore(keeps, groups=groups, processes=context.processes)
    board = _open_board(phase, context, progress)
    # a seed of the phase: fine-tuning is not to see transfer's images again, in the same order and warped alike
    augmentation = Augmentation(context.config.augment, seed=seeds.number(context.config.seed, "phase", phase.name))
    if board and board.is_new:
        _show_training_images(board, context, augmentation)
    score = EvaluationStep(network, strategy=context.strategy, compiled=context.compiled)
    parts: dict[str, Any] = {"keeper": keeps, "progress": progress, "board": board}
    parts["callbacks"] = [*callbacks, *_callbacks(phase, plan, context, board)]
    try:
        _make_loop(phase, plan, context, network, score, augmentation, **parts).run()
    except divergence.Diverged as error:
        step = f"the checkpoint of step {keeps.step} is kept" if keeps.step else "no checkpoint was written yet"
        advice = f"{divergence.advice(phase.name, context.config)}, {record.way_to_change(phase.name, context.run_dir)}"
        raise divergence.Diverged(f"{phase.name} diverged: {error}. {step}; {advice}") from error
    return results.finish(phase, context, network, score, progress, board)


def _build(phase: Phase, context: RunContext) -> keras.Model:
    """The model of the phase with its starting weights, compiled with a built optimizer."""
    config = context.config
    devices.seed_everything(config.seed, deterministic=config.runtime.deterministic)
    with context.strategy.scope():
        network = classifier.build_classifier(
            config.model,
            num_classes=len(context.source.class_names),
            image_size=int(config.data.image_size or 0),
            policy=config.runtime.mixed_precision,
        )
        trainable.set_trainable(network, phase, config, replicas=context.strategy.num_replicas_in_sync)
        if trainable.is_synchronized(network) and config.training.gradient_accumulation_steps > 1:
            raise UserError(
                "gradient_accumulation_steps must be 1 where batch normalization trains on several devices: its "
                "statistics are those of the whole batch"
            )
        if phase.starts_from and context.processes.is_chief:  # the others get them with the start of the phase
            classifier.load_weights(network, context.run_dir.phase(phase.starts_from).best)
        adjust = optimizer.create(config.training, policy=config.runtime.mixed_precision)
        optimizer.build(adjust, network.trainable_variables, statistics=trainable.moving_statistics(network))
        network.compile(optimizer=adjust, jit_compile=False)  # for callbacks, which look for the optimizer
    return network


def _make_loop(
    phase: Phase,
    plan: loop.PhasePlan,
    context: RunContext,
    network: keras.Model,
    score: EvaluationStep,
    augmentation: Augmentation,
    **parts: Any,
) -> loop.Loop:
    config, training = context.config, context.config.training

    def batches(first: int, end: int) -> Iterator[Any]:
        service = config.data.data_service
        dataset = pipeline.for_training(
            context.pictures["train"],
            context.source.train.labels,
            class_weights=context.class_weights,
            global_batch=training.batch_size,
            seed=augmentation.seed,
            steps=(first, end),
            shard=context.shard,
            numbered=service is not None,
        )
        if service is None:
            return iter(context.distribute(dataset))
        start = first * context.shard.count
        patience = config.runtime.worker_timeout_s
        return context.deal(data_service.in_order(dataset, service, first=start, silence_s=patience))

    def save_best(path: Path) -> None:
        with optimizer.averaged_weights(network.optimizer):
            classifier.save(network, path)

    def validate() -> Evaluation | Summary:
        with optimizer.averaged_weights(network.optimizer):
            scores = evaluate_split("validation", context, score)
        if parts["board"]:
            parts["board"].confusion_matrix(scores, context.source.class_names, step=parts["progress"].step)
        return scores

    agreement = context.agreement
    train_step = TrainStep(
        network,
        network.optimizer,
        strategy=context.strategy,
        augmentation=augmentation,
        global_batch=training.batch_size,
        label_smoothing=training.label_smoothing,
        # XLA cannot compile what replicas exchange
        compiled=COMPILE_AUGMENTATION if trainable.is_synchronized(network) else context.compiled,
        micro_batches=training.gradient_accumulation_steps,
        pictures=context.pictures["train"].tensor if context.pictures["train"].tier == "device" else None,
        asked=agreement.asked if agreement.is_shared else None,
    )
    return loop.Loop(
        plan,
        model=network,
        train_step=train_step,
        batches=batches,
        validate=validate if len(context.source.validation) else None,
        save_best=save_best,
        agreement=agreement,
        **parts,
    )


def make_plan(phase: Phase, context: RunContext) -> loop.PhasePlan:
    """The phase in numbers."""
    training, runtime = context.config.training, context.config.runtime
    epochs, highest = epochs_and_rate(phase, context.config)
    steps_per_epoch = training.steps_per_epoch or -(-len(context.source.train) // training.batch_size)

    def rate(step: int) -> float:
        return schedule.learning_rate(
            step,
            highest=highest,
            total_steps=epochs * steps_per_epoch,
            warmup_steps=training.warmup_steps,
            kind=training.learning_rate_schedule,
        )

    return loop.PhasePlan(
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        global_batch=training.batch_size,
        rate=rate,
        monitor=training.monitored,
        patience=training.early_stopping_patience,
        # a phase shorter than that would leave TensorBoard without a point
        log_every_steps=min(runtime.log_every_steps, epochs * steps_per_epoch),
        checkpoint_every_steps=runtime.checkpoint_every_steps,
        steps_per_execution=runtime.steps_per_execution,
        goes_on=bool(phase.starts_from or context.config.model.init_from),
    )


def _callbacks(
    phase: Phase, plan: loop.PhasePlan, context: RunContext, board: own_callbacks.TensorBoardWriter | None
) -> list[keras.callbacks.Callback]:
    if not context.processes.is_chief:
        return []
    chosen: list[keras.callbacks.Callback] = [
        own_callbacks.ProgressLines(
            phase.name, total_steps=plan.total_steps, global_batch=plan.global_batch, monitor=plan.monitor
        )
    ]
    if board:
        chosen.append(board)
    if context.config.runtime.profile_steps:
        folder = context.run_dir.logs(phase.name) / "train"
        chosen.append(own_callbacks.Profile(*context.config.runtime.profile_steps, folder=folder))
    return chosen


def _open_board(phase: Phase, context: RunContext, progress: Progress) -> own_callbacks.TensorBoardWriter | None:
    if not (context.config.runtime.tensorboard and context.processes.is_chief):
        return None
    board = own_callbacks.TensorBoardWriter(context.run_dir.logs(phase.name), recorded=progress.event_files)
    if not board.is_new:
        return board
    settings = (read_json(context.run_dir.config) or {}).get("settings", {})
    rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items() if value is not None)
    board.text("configuration", f"| setting | value |\n| --- | --- |\n{rows}")
    return board


def _show_training_images(
    board: own_callbacks.TensorBoardWriter, context: RunContext, augmentation: Augmentation
) -> None:
    """What the model will see: the first pictures of the first step, augmented."""
    count = min(16, context.config.training.batch_size)
    index = pipeline.image_at(tf.range(count, dtype=tf.int64), count=len(context.source.train), seed=augmentation.seed)
    augmented = augmentation(
        tf.constant(context.pictures["train"].take(index.numpy())),
        tf.range(count),
        step=tf.constant(0),
        global_batch=context.config.training.batch_size,
    )
    captions = [context.source.class_names[label] for label in context.source.train.labels[index.numpy()]]
    if augmented.share is not None:
        captions = [f"{share:.0%} {caption}" for share, caption in zip(augmented.share.numpy(), captions, strict=True)]
    grid = figures.image_grid(augmented.images.numpy(), captions, title="training images, augmented")
    board.image("training_images", figures.as_image(grid), step=0)
