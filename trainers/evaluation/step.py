"""One step of evaluation under a strategy."""

import keras
import numpy as np
import tensorflow as tf

from ftdata.pipeline import Batch
from trainers.models import folding
from trainers.models.classifier import logits_of
from trainers.runtime.compilation import COMPILE_STEP


class InferenceStep:
    """What a network gives for one global batch, gathered from the replicas.

    Args:
      network: of images, float32 [b, side, side, 3], pixels 0..255, or of features.
      strategy: the devices.
      compiled: what XLA compiles, as `compile_mode` says.
      fold_batch_norm: whether batch normalization is computed as part of the convolution before it.
    """

    def __init__(
        self, network: keras.Model, *, strategy: tf.distribute.Strategy, compiled: str, fold_batch_norm: bool = False
    ):
        called = folding.for_inference(network) if fold_batch_norm else network
        self.strategy, self.network = strategy, network

        def replica_step(batch: Batch) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            inputs = batch["feature"] if "feature" in batch else batch["image"]
            return (
                called(tf.cast(inputs, network.inputs[0].dtype), training=False),
                batch["index"],
                batch["weight"],
            )

        step = replica_step
        if compiled == COMPILE_STEP:
            step = tf.function(replica_step, autograph=False, jit_compile=True)
        self._run = tf.function(lambda batch: strategy.run(step, args=(batch,)), autograph=False)

    def __call__(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """(index, results) of the images with weight 1: int32 [b], [b, ...] in the network's type."""
        gathered = [np.concatenate(self.strategy.experimental_local_results(part)) for part in self._run(batch)]
        results, index, weight = gathered
        return index[weight > 0], results[weight > 0]


class EvaluationStep(InferenceStep):
    """Scores of one global batch: (index, logits), int32 [b], float32 [b, num_classes].

    Args:
      model: a classifier, float32 [b, side, side, 3], pixels 0..255, to probabilities [b, num_classes], or the part of
        one behind its features.
      strategy: the devices.
      compiled: what XLA compiles, as `compile_mode` says.
      fold_batch_norm: whether batch normalization is computed as part of the convolution before it.
    """

    def __init__(
        self, model: keras.Model, *, strategy: tf.distribute.Strategy, compiled: str, fold_batch_norm: bool = False
    ):
        super().__init__(logits_of(model), strategy=strategy, compiled=compiled, fold_batch_norm=fold_batch_norm)
