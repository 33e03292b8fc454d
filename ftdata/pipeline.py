"""The ORDER of the tf.data operations, and nothing else. The file to open first.

Training reads an endless line of global positions p = step * global_batch + slot. Pass p // n through the
data shows every picture once, in the order of a permutation seeded by (seed, pass). So the batch of any step
can be rebuilt alone: a restart costs nothing, `steps_per_epoch` may be anything, and replicas share a batch
without a picture lost or doubled.
"""

import dataclasses

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Shard:
    """Which replicas of all this process feeds: `count` of them from `first` on, out of `total`."""

    first: int = 0
    count: int = 1
    total: int = 1


def for_training(
    images: tf.Tensor,
    labels: np.ndarray,
    *,
    class_weights: np.ndarray,
    global_batch: int,
    seed: int,
    steps: tuple[int, int],
    shard: Shard = Shard(),
) -> tf.data.Dataset:
    """Batches of the steps from `steps[0]` to before `steps[1]`, one a replica and step.

    Args:
      images: uint8 [n, height, width, channels].
      labels: int32 [n].
      class_weights: float32 [num_classes].
      global_batch: pictures per step over all replicas; a multiple of `shard.total`.
      seed: of the order.
      steps: first step and the one to stop before.
      shard: the replicas to feed; consecutive elements go to consecutive replicas.

    Returns:
      A dataset of {"image": uint8 [b, height, width, channels], "index": int32 [b] (which picture),
      "slot": int32 [b] (place in the global batch), "label": int32 [b], "weight": float32 [b]} with
      b = global_batch / shard.total, static.
    """
    per_replica = global_batch // shard.total
    label_of, weight_of = tf.constant(labels, tf.int32), tf.constant(class_weights, tf.float32)

    def batch_at(element: tf.Tensor) -> dict[str, tf.Tensor]:
        step, replica = element // shard.count, shard.first + element % shard.count
        slots = replica * per_replica + tf.range(per_replica, dtype=tf.int64)
        index = picture_at(step * global_batch + slots, count=len(labels), seed=seed)
        label = tf.gather(label_of, index)
        return {
            "image": tf.gather(images, index),
            "index": tf.cast(index, tf.int32),
            "slot": tf.cast(slots, tf.int32),
            "label": label,
            "weight": tf.gather(weight_of, label),
        }

    elements = tf.data.Dataset.range(steps[0] * shard.count, steps[1] * shard.count)
    return elements.map(batch_at, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def picture_at(positions: tf.Tensor, *, count: int, seed: int) -> tf.Tensor:
    """The picture at each of a run of consecutive global positions, int64 [b].

    `index_shuffle` takes one seed a call, so a batch that reaches into the next pass takes one call a pass.
    """
    first_pass = positions[0] // count
    index = tf.zeros_like(positions)
    for ahead in range(positions.shape[0] // count + 2 if positions.shape[0] > 1 else 1):
        this_pass = first_pass + ahead
        shuffled = tf.random.experimental.index_shuffle(
            positions % count, seed=tf.stack([tf.constant(seed, tf.int64), this_pass]), max_index=count - 1
        )
        index = tf.where(positions // count == this_pass, shuffled, index)
    return index


def for_evaluation(
    images: tf.Tensor, labels: np.ndarray, *, global_batch: int, shard: Shard = Shard()
) -> tf.data.Dataset:
    """Every picture exactly once, in order, in batches of one static shape.

    The batches are those of `for_training`; places beyond the last picture repeat it with weight 0. Every
    replica gets the same number of batches.
    """
    per_replica = global_batch // shard.total
    steps = -(-len(labels) // (per_replica * shard.total))
    label_of = tf.constant(labels, tf.int32)

    def batch_at(element: tf.Tensor) -> dict[str, tf.Tensor]:
        step, replica = element // shard.count, shard.first + element % shard.count
        slots = replica * per_replica + tf.range(per_replica, dtype=tf.int64)
        positions = step * per_replica * shard.total + slots
        index = tf.minimum(positions, len(labels) - 1)
        return {
            "image": tf.gather(images, index),
            "index": tf.cast(index, tf.int32),
            "slot": tf.cast(slots, tf.int32),
            "label": tf.gather(label_of, index),
            "weight": tf.cast(positions < len(labels), tf.float32),
        }

    elements = tf.data.Dataset.range(steps * shard.count)
    return elements.map(batch_at, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
