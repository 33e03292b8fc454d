"""What the frozen part of a network makes of augmented views of images, on all devices of a process."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from ftdata.augment.augmentation import Augmentation
from trainers.models import folding
from trainers.runtime.compilation import COMPILE_AUGMENTATION, COMPILE_STEP

# Images of one call on one device, always as many: kernels choose by it how they add up, so one by itself would get
# other bits than one of several.
BATCH = 32


def create(
    prefix: keras.Model,
    augmentation: Augmentation,
    dtype: tf.DType,
    *,
    strategy: tf.distribute.Strategy,
    replicas: int,
    compiled: str,
    fold_batch_norm: bool,
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Images, uint8 [n, side, side, 3], and seeds as of `Augmentation.view` -> features [n, ...] of type `dtype`.

    Args:
      prefix: of `models.cut.cut`.
      augmentation: of the views.
      dtype: of the features.
      strategy: the devices of all processes.
      replicas: those of this process; n is BATCH for each of them.
      compiled: what XLA compiles, as `compile_mode` says.
      fold_batch_norm: whether batch normalization is computed as part of the convolution before it.
    """
    network = folding.for_inference(prefix) if fold_batch_norm else prefix
    augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = augmentation.view
    if compiled == COMPILE_AUGMENTATION:
        augment = tf.function(augment, autograph=False, jit_compile=True)

    def replica_step(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        pixels = tf.cast(augment(images, seeds), prefix.inputs[0].dtype)
        return tf.cast(network(pixels, training=False), dtype)

    step = replica_step
    if compiled == COMPILE_STEP:
        step = tf.function(replica_step, autograph=False, jit_compile=True)
    run = tf.function(lambda images, seeds: strategy.run(step, args=(images, seeds)), autograph=False)

    def dealt(array: np.ndarray) -> tf.Tensor:
        parts = np.split(array, replicas)
        return strategy.experimental_distribute_values_from_function(
            lambda replica: tf.constant(parts[replica.replica_id_in_sync_group % replicas])
        )

    def compute(images: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        found = strategy.experimental_local_results(run(dealt(images), dealt(seeds)))
        return np.concatenate([part.numpy() for part in found])

    return compute
