"""Training as this project does it: its pipeline, its step. The side that is compared with `baselines.notebook`."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from benchmarks.harness import memory, tiers
from benchmarks.harness.networks import Network, Task
from benchmarks.sides.features import Features, held_out
from benchmarks.sides.image_data_generator import AUGMENT
from ftdata import pipeline
from ftdata.augment.augmentation import Augmentation
from ftdata.cache.filling import in_memory
from ftdata.cache.images import Images, from_tensor
from ftdata.config import DataConfig
from ftdata.sources.source import Source, load_folder
from ftdata.sources.weighting import class_weights
from trainers.config import PHASES, TrainConfig, TrainingConfig
from trainers.evaluation import scores
from trainers.evaluation.step import EvaluationStep
from trainers.models import folding, lora
from trainers.models.classifier import build_classifier, logits_of
from trainers.models.cut import Cut, cut
from trainers.models.trainable import set_trainable
from trainers.runtime.compilation import COMPILE_STEP, compile_mode
from trainers.runtime.devices import make_strategy, runs_on_gpu
from trainers.training.optimizer import build_optimizer, make_optimizer
from trainers.training.step import TrainStep

FETCH_EVERY = 20  # steps, as often as the training loop looks at its results


def train_step(
    network: Network,
    phase: str,
    *,
    policy: str,
    jit_compile: str,
    devices: tf.distribute.Strategy,
    num_classes: int,
    fold_batch_norm: str = "auto",
    lora_rank: int = 0,
    lora_targets: Sequence[str] | None = None,
) -> TrainStep:
    """The step of a phase, from the network's starting weights."""
    config = TrainConfig(model=network.model, training=TrainingConfig(unfreeze=network.unfreeze))
    with devices.scope():
        classifier = build_classifier(
            config.model, num_classes=num_classes, image_size=network.image_size, policy=policy
        )
        set_trainable(classifier, PHASES[phase], config.model, unfreeze=config.training.unfreeze)
        lora.enable(classifier, PHASES[phase], rank=lora_rank, targets=lora_targets)
        optimizer = make_optimizer(config.training, policy=policy)
        build_optimizer(optimizer, classifier.trainable_variables)
    return TrainStep(
        classifier,
        optimizer,
        strategy=devices,
        augmentation=Augmentation(AUGMENT, seed=0),
        global_batch=network.batch_size,
        label_smoothing=0.0,
        fold_batch_norm=folding.resolve(fold_batch_norm, on_gpu=runs_on_gpu(devices)),
        compiled=compile_mode(jit_compile, on_gpu=runs_on_gpu(devices)),
    )


def forward(
    network: Network,
    *,
    policy: str,
    jit_compile: str,
    devices: tf.distribute.Strategy,
    num_classes: int,
    fold_batch_norm: str = "auto",
) -> tuple[keras.Model, Callable[[tf.Tensor], tf.Tensor]]:
    """The classifier, and its scores of uint8 [b, side, side, 3] as evaluation computes them, left on the device."""
    with devices.scope():
        classifier = build_classifier(
            network.model, num_classes=num_classes, image_size=network.image_size, policy=policy
        )
    logits = logits_of(classifier)
    if folding.resolve(fold_batch_norm, on_gpu=runs_on_gpu(devices)):
        logits = folding.for_inference(logits)
    compiled = compile_mode(jit_compile, on_gpu=runs_on_gpu(devices)) == COMPILE_STEP

    @tf.function(jit_compile=compiled or None)
    def run(images: tf.Tensor) -> tf.Tensor:
        return logits(tf.cast(images, tf.float32), training=False)

    return classifier, run


def read(source: Source, network: Network, *, tier: str) -> tiers.Batches:
    """Training batches out of a cache tier, which it fills."""
    return tiers.open_tier(
        tier,
        source.train,
        DataConfig(image_size=network.image_size),
        class_weights=class_weights(source.train.labels, source.class_names, "balanced"),
        batch_size=network.batch_size,
    )


class Ours:
    """One side of a comparison, in a process of its own.

    Args:
      task: what is trained.
      policy: dtype policy of the network.
      tier: of the decoded images.
      views: how many of each image `epoch` computes features of, where the phase freezes the first layers, and trains
        on; 0 to train on images, augmented afresh.
    """

    def __init__(self, task: Task, policy: str, tier: str, views: int = 0):
        self.task, self.policy, self.views = task, policy, views
        keras.utils.set_random_seed(0)
        self.devices = make_strategy("one_device")
        self.source = load_folder(str(task.folder), validation_fraction=0.0)
        self.batches = read(self.source, task.network, tier=tier)
        self.step: TrainStep | None = None
        self.parts: Cut | None = None
        self.features: Features | None = None
        self.score: EvaluationStep | None = None
        self.images: Images | None = None  # of validation
        self.done = 0

    def prepare(self, phase: str) -> None:
        """Builds the phase's model and warms up."""
        trained = self.step.model.get_weights() if self.step else None
        self.step = self.score = self.features = None
        num_classes = len(self.source.class_names)
        self.step = train_step(
            self.task.network,
            phase,
            policy=self.policy,
            jit_compile="auto",
            devices=self.devices,
            num_classes=num_classes,
        )
        self.rate = self.task.learning_rates[phase]
        if trained:
            self.step.model.set_weights(trained)
        self.parts = cut(self.step.model)
        self._run(2, rate=0.0)

    def train(self, steps: int) -> None:
        """Trains so many steps."""
        self._run(steps, rate=self.rate)

    def epoch(self) -> float:
        """Trains a pass over the images and returns the accuracy on the validation images; what is computed once is in
        the first."""
        assert self.step is not None
        if self.views and self.parts and not self.features:
            self.features = Features(
                self.step,
                self.parts,
                self.source,
                self.task.network,
                views=self.views,
                policy=self.policy,
                jit_compile="auto",
            )
        self._run(len(self.source.train) // self.task.network.batch_size, rate=self.rate)
        return self._validate()

    def memory(self) -> dict[str, float]:
        """Resident memory, MiB."""
        return memory.now()

    def _run(self, steps: int, *, rate: float) -> None:
        assert self.step is not None
        step, batches = (self.features.step, self.features.batches) if self.features else (self.step, self.batches)
        pending = []
        for batch in batches(self.done, self.done + steps):
            pending.append(step(batch, step=self.done, learning_rate=rate))
            self.done += 1
            if len(pending) == FETCH_EVERY:
                _fetch(pending)
        _fetch(pending)

    def _validate(self) -> float:
        assert self.step is not None
        validation, data = self.source.validation, DataConfig(image_size=self.task.network.image_size)
        if self.score is None or self.images is None:
            images: Images = from_tensor(in_memory(validation, data))
            options: dict[str, Any] = {"strategy": self.devices, "compiled": "nothing"}
            options["fold_batch_norm"] = folding.resolve("auto", on_gpu=runs_on_gpu(self.devices))
            if self.parts:
                images = held_out(images, validation.labels, self.parts.prefix, **options)
            self.images = images
            self.score = EvaluationStep(self.parts.suffix if self.parts else self.step.model, **options)
        batches = pipeline.for_evaluation(self.images, validation.labels, global_batch=self.task.network.batch_size)
        return scores.evaluate_batches(self.score, batches, validation.labels).accuracy


def _fetch(pending: list[tf.Tensor]) -> None:
    for result in pending:
        result.numpy()
    pending.clear()
