"""What a phase computes at each step, and from what: its augmentation, its batches and its training step."""

from collections.abc import Callable, Iterator

import keras

from ftdata import data_service, pipeline, seeds
from ftdata.augment.augmentation import Augmentation
from ftdata.cache.images import FeatureViews, Images
from trainers.config import Phase
from trainers.models.trainable import is_synchronized
from trainers.runtime.compilation import COMPILE_AUGMENTATION
from trainers.runtime.stopping import StopConsensus
from trainers.training.context import RunContext
from trainers.training.step import TrainStep


def augmentation_of(phase: Phase, context: RunContext) -> Augmentation:
    """Of the training images of a phase."""
    # a seed of the phase: fine-tuning is not to see transfer's images again, in the same order and warped alike
    return Augmentation(context.config.augment, seed=seeds.number(context.config.seed, "phase", phase.name))


def training_batches(
    context: RunContext, images: Images | FeatureViews, *, seed: int
) -> Callable[[int, int], Iterator[pipeline.Batch]]:
    """(first step, end step) -> the batches of these steps, distributed over the replicas."""
    service = context.config.data_service

    def batches(first: int, end: int) -> Iterator[pipeline.Batch]:
        dataset = pipeline.for_training(
            images,
            context.source.train.labels,
            class_weights=context.class_weights,
            global_batch=context.config.training.batch_size,
            seed=seed,
            steps=(first, end),
            shard=context.shard,
            numbered=bool(service),
        )
        if not service:
            return iter(context.distribute(dataset))
        start, silence_s = first * context.shard.count, context.config.runtime.worker_timeout_s
        return context.deal(data_service.in_order(dataset, service, first=start, silence_s=silence_s))

    return batches


def train_step(
    context: RunContext,
    network: keras.Model,
    augmentation: Augmentation,
    consensus: StopConsensus,
    *,
    suffix: keras.Model | None,
) -> TrainStep:
    """The step of a phase: of its network, or of the `suffix` behind the features that it reads."""
    training, images = context.config.training, context.images["train"]
    return TrainStep(
        network,
        network.optimizer,
        strategy=context.strategy,
        augmentation=augmentation,
        global_batch=training.batch_size,
        label_smoothing=training.label_smoothing,
        # XLA cannot compile what replicas exchange
        compiled=COMPILE_AUGMENTATION if is_synchronized(network) else context.config.compile_mode,
        fold_batch_norm=context.config.fold_batch_norm,
        micro_batches=training.gradient_accumulation_steps,
        suffix=suffix,
        images=images.tensor if images.tier == "device" and suffix is None else None,
        asked=consensus.asked if consensus.is_shared else None,
        positive_weights=context.class_weights if context.config.task == "multi" else None,
    )
