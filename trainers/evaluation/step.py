"""One evaluation step under a strategy."""

import keras
import numpy as np
import tensorflow as tf

from ftdata.pipeline import Batch
from trainers.models import folding
from trainers.models.classifier import logits_of
from trainers.runtime.compilation import COMPILE_STEP


class EvaluationStep:
    """Scores of one global batch, gathered from the replicas.

    Args:
      model: a classifier, float32 [b, side, side, 3], pixels 0..255, to probabilities [b, num_classes].
      strategy: the devices.
      compiled: what XLA compiles, as `compile_mode` says.
      fold_batch_norm: whether batch normalization is computed as part of the convolution before it.
    """

    def __init__(
        self, model: keras.Model, *, strategy: tf.distribute.Strategy, compiled: str, fold_batch_norm: bool = False
    ):
        logits = folding.for_inference(logits_of(model)) if fold_batch_norm else logits_of(model)
        self.strategy = strategy

        def replica_step(batch: Batch) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            return (
                logits(tf.cast(batch["image"], tf.float32), training=False),
                batch["index"],
                batch["weight"],
            )

        step = tf.function(replica_step, jit_compile=True) if compiled == COMPILE_STEP else replica_step
        self._run = tf.function(lambda batch: strategy.run(step, args=(batch,)))

    def __call__(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """(index, logits) of the images with weight 1: int32 [b], float32 [b, num_classes]."""
        results = [np.concatenate(self.strategy.experimental_local_results(part)) for part in self._run(batch)]
        logits, index, weight = results
        return index[weight > 0], logits[weight > 0]
