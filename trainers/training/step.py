"""One training step under a strategy.

Everything random in a step is a function of (seed, step, slot), so that a step can be repeated after a
restart: augmentation parameters are drawn for the global batch, and the states of the dropout layers'
generators are assigned before the forward pass.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ftdata import seeds
from ftdata.augment.augmentation import Augmentation, Augmented
from ftdata.augment.mixing import partner_of
from ftdata.pipeline import Batch
from trainers.models import training_graph
from trainers.runtime.compilation import COMPILE_AUGMENTATION, COMPILE_STEP
from trainers.training import objective

_LoopState = tuple[tf.Tensor, list[tf.Tensor], tf.Tensor]  # number of the piece, gradients, totals


class TrainStep:
    """Forward, backward and update for one global batch.

    Example::

        train_step = TrainStep(model, optimizer, strategy=strategy, augmentation=Augmentation(config, seed=0),
                               global_batch=32, label_smoothing=0.1, compiled="step")
        loss_sum, right, count = train_step(batch, step=0, learning_rate=1e-3)

    Args:
      model: a classifier, float32 [b, side, side, 3], pixels 0..255, to probabilities [b, num_classes]; what trains in
        it is decided before.
      optimizer: built for the model's trainable variables; its learning rate is assigned at every step.
      strategy: the devices of all processes.
      augmentation: of the images; its seed is that of everything random here.
      global_batch: images a step over all devices.
      label_smoothing: share of each label spread over all classes, or of several between 0 and 1.
      compiled: what XLA compiles, as `compile_mode` says.
      fold_batch_norm: whether frozen batch normalization is computed as part of the convolution before it.
      micro_batches: pieces into which each replica splits its part of a batch, one after the other, adding up their
        gradients: less memory, one update. The numbers are those of the whole batch, save where layers draw (dropout,
        stochastic depth: Keras draws a mask of the piece's shape, so each piece gets one of its own) and where batch
        normalization trains (statistics of the piece).
      suffix: the part of the model behind its features, where batches hold those instead of images.
      images: uint8 [n, side, side, 3], copied into the memory of every device (the cache tier `device`): gathering,
        augmenting and training are then one program there. None where batches hold the images.
      asked: a number that is summed over all workers at each step, beside the loss.
      positive_weights: of the classes, float32 [num_classes], where an image may have several labels.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        *,
        strategy: tf.distribute.Strategy,
        augmentation: Augmentation,
        global_batch: int,
        label_smoothing: float,
        compiled: str,
        fold_batch_norm: bool = False,
        micro_batches: int = 1,
        suffix: keras.Model | None = None,
        images: tf.Tensor | None = None,
        asked: Callable[[], float] | None = None,
        positive_weights: np.ndarray | None = None,
    ):
        self._asked = asked
        self._resident = () if images is None else _on_every_device(images, strategy)
        trained = model if suffix is None else suffix
        self.model, self.logits = model, training_graph.create(trained, fold_batch_norm=fold_batch_norm)
        self.optimizer, self.strategy = optimizer, strategy
        self.augmentation, self.global_batch = augmentation, global_batch
        self.objective, self.micro_batches = objective.of(label_smoothing, positive_weights), micro_batches
        self._seed_states = [v.value for v in model.variables if v.name == "seed_generator_state"]
        self._augment = self._augmented
        if compiled == COMPILE_AUGMENTATION:
            self._augment = tf.function(self._augmented, autograph=False, jit_compile=True)
        self._gradients = self._loss_and_gradients
        if compiled == COMPILE_STEP:
            self._gradients = tf.function(self._loss_and_gradients, autograph=False, jit_compile=True)
        self._run = tf.function(self._distributed_steps, autograph=False)

    def __call__(self, batch: Batch, *, step: int, learning_rate: float) -> tf.Tensor:
        """Trains on one global batch: `several` with one of each."""
        return self.several([batch], first=step, learning_rates=[learning_rate])[0]

    def several(self, batches: Sequence[Batch], *, first: int, learning_rates: Sequence[float]) -> list[tf.Tensor]:
        """Trains on global batches one after the other, in one call of the device's program.

        The steps are written out one after the other, because replicas cannot exchange anything within tf.while_loop;
        every number of steps is traced once.

        Args:
          batches: as `ftdata.pipeline.for_training` makes them, distributed over the replicas. Without "image" and
            "feature", images are gathered from those given at construction.
          first: step of the phase of the first batch.
          learning_rates: of each step.

        Returns:
          Of each step float32 [3] (float64 for a model of that type): sum of the weighted losses, number of right
          answers, number of images. With `asked`, [4]: the sum of that too.
        """
        steps = tf.constant(list(range(first, first + len(batches))), tf.int32)
        rates = tf.constant(list(learning_rates), tf.float32)
        asked = () if self._asked is None else (tf.constant([self._asked()], tf.float32),)
        return self._run(list(batches), steps, rates, self._resident, *asked)

    def _distributed_steps(
        self, batches: list[Batch], steps: tf.Tensor, rates: tf.Tensor, resident: Any, *asked: tf.Tensor
    ) -> list[tf.Tensor]:
        return [
            self._distributed_step(batch, steps[number], rates[number], resident, *asked)
            for number, batch in enumerate(batches)
        ]

    def _distributed_step(
        self, batch: Batch, step: tf.Tensor, learning_rate: tf.Tensor, resident: Any, *asked: tf.Tensor
    ) -> tf.Tensor:
        self.optimizer.learning_rate.assign(learning_rate)
        totals = self.strategy.run(self._replica_step, args=(batch, step, resident, *asked))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, totals, axis=None)

    def _replica_step(self, batch: Batch, step: tf.Tensor, resident: Any, *asked: tf.Tensor) -> tf.Tensor:
        self._assign_seeds(step)
        gradients, totals = self._summed(batch, step, resident)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return tf.concat([totals, *(tf.cast(value, totals.dtype) for value in asked)], axis=0) if asked else totals

    def _summed(self, batch: Batch, step: tf.Tensor, resident: Any) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Gradients and totals of this replica's part. Every draw of dropout moves its generator on by one."""
        if self.micro_batches == 1:
            return self._gradients(batch, step, resident)
        count = self.micro_batches
        parts = {name: tf.reshape(v, [count, v.shape[0] // count, *v.shape[1:]]) for name, v in batch.items()}

        def add(number: tf.Tensor, gradients: list[tf.Tensor], totals: tf.Tensor) -> _LoopState:
            part = {name: value[number] for name, value in parts.items()}
            further, more = self._gradients(part, step, resident)
            return number + 1, [one + other for one, other in zip(gradients, further, strict=True)], totals + more

        zeros = [tf.zeros(variable.shape, variable.dtype) for variable in self.model.trainable_variables]
        start = (tf.constant(0), zeros, tf.zeros([3], self.logits.output.dtype))
        _, gradients, totals = tf.while_loop(lambda number, *_: number < count, add, start)
        return gradients, totals

    def _assign_seeds(self, step: tf.Tensor) -> None:
        """Makes the next draw of every dropout layer a function of (seed, step, replica)."""
        if not self._seed_states:
            return
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        states = tf.random.stateless_uniform(
            [len(self._seed_states), 2],
            seed=tf.stack([seeds.number(self.augmentation.seed, "dropout"), step]),
            maxval=2**30,
            minval=0,
            dtype=tf.int32,
            alg="philox",
        )
        offset = tf.stack([tf.constant(0), tf.cast(replica, tf.int32) * 65_537])
        for number, variable in enumerate(self._seed_states):
            variable.assign(tf.cast(states[number] + offset, variable.dtype))

    def _augmented(self, images: tf.Tensor, slots: tf.Tensor, step: tf.Tensor) -> Augmented:
        return self.augmentation(images, slots, step=step, global_batch=self.global_batch)

    def _inputs(self, batch: Batch, step: tf.Tensor, resident: Any) -> Augmented:
        """What the network is called on: augmented images, or features."""
        if "feature" in batch:
            return Augmented(tf.cast(batch["feature"], self.logits.inputs[0].dtype), None)
        decoded = batch["image"] if "image" in batch else images_at(resident, batch["index"])
        return self._augment(decoded, batch["slot"], step)

    def _loss_and_gradients(self, batch: Batch, step: tf.Tensor, resident: Any) -> tuple[list[tf.Tensor], tf.Tensor]:
        inputs, share = self._inputs(batch, step, resident)
        variables = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            logits = self.logits(inputs)
            losses = self._losses(logits, batch, share)
            # a share of the global mean: the optimizer sums the replicas' gradients
            loss = self.optimizer.scale_loss(tf.reduce_sum(losses) / self.global_batch)
        right = self.objective.right(logits, _main_label(batch["label"], share))
        totals = [tf.reduce_sum(losses), tf.reduce_sum(tf.cast(right, losses.dtype)), float(losses.shape[0])]
        return tape.gradient(loss, variables), tf.stack(totals)

    def _losses(self, logits: tf.Tensor, batch: Batch, share: tf.Tensor | None) -> tf.Tensor:
        """Of each image, weighted by class; where pairs are mixed, of both labels by their shares."""

        def losses(label: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
            return tf.cast(weight, logits.dtype) * self.objective.losses(logits, label)

        own = losses(batch["label"], batch["weight"])
        if share is None:
            return own
        share = tf.cast(share, own.dtype)
        return share * own + (1 - share) * losses(partner_of(batch["label"]), partner_of(batch["weight"]))


def _main_label(labels: tf.Tensor, share: tf.Tensor | None) -> tf.Tensor:
    """The label with the larger share, which training accuracy counts."""
    if share is None:
        return labels
    is_own = tf.reshape(share >= 0.5, [-1, *[1] * (len(labels.shape) - 1)])
    return tf.where(is_own, labels, partner_of(labels))


def _on_every_device(images: tf.Tensor, strategy: tf.distribute.Strategy) -> Any:
    """A copy of the decoded images in the memory of each replica's device."""
    devices = strategy.extended.worker_devices

    def copy(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
        with tf.device(devices[context.replica_id_in_sync_group % len(devices)]):  # those of this worker
            return tf.identity(images)

    return strategy.experimental_distribute_values_from_function(copy)


def images_at(resident: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """uint8 [b, side, side, 3] out of [n, side, side, 3], by int32 or int64 [b].

    TensorFlow's GPU kernel counts bytes in the type of the index: in int32 it would leave the array behind 2 GiB.
    """
    return tf.gather(resident, tf.cast(index, tf.int64))
