"""The ORDER of the tf.data operations, and nothing else. The file of `ftdata` to open first.

Training reads an endless line of global positions p = step * global_batch + slot. Pass p // n through the
data shows every image once, in the order of a permutation seeded by (seed, pass). So the batch of any step
can be rebuilt alone: a restart costs nothing, `steps_per_epoch` may be anything, and replicas share a batch
without an image lost or doubled.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ftdata import parallelism, seeds
from ftdata.cache.images import FeatureViews, Images, ImageStream
from ftdata.labels import is_multi

Batch = dict[str, tf.Tensor]  # image, index, slot, label, weight: see docs/architecture.md

_SHUFFLED = 10_000  # encoded images held to shuffle a stream

# Of the block cipher behind the permutation. With the 4 of tf.random.experimental.index_shuffle, two passes correlate
# by 0.75 at 50,000 images and 0.95 at a million; with 8 still by 0.11 at a million; with 12 not up to 4 million.
_ROUNDS = 12


@dataclasses.dataclass(frozen=True)
class Shard:
    """The replicas that this process feeds: `count` of them from number `first` on, out of `total`."""

    first: int = 0
    count: int = 1
    total: int = 1


_ALONE = Shard()  # the only process feeds the only replica


def for_training(
    images: Images | FeatureViews,
    labels: np.ndarray,
    *,
    class_weights: np.ndarray,
    global_batch: int,
    seed: int,
    steps: tuple[int, int],
    shard: Shard = _ALONE,
    numbered: bool = False,
) -> tf.data.Dataset:
    """Batches of the steps from `steps[0]` to before `steps[1]`, one a replica and step.

    Args:
      images: n of them. A stream is shuffled in each pass with a buffer instead of a permutation: another order than
        in the other tiers, as exact at a restart.
      labels: int32 [n], or float32 [n, num_classes] of several labels an image.
      class_weights: float32 [num_classes]; of several labels they are for the loss, and every image weighs 1.
      global_batch: images per step over all replicas; a multiple of `shard.total`.
      seed: of the order.
      steps: first step and the one to stop before.
      shard: the replicas to feed; consecutive elements go to consecutive replicas.
      numbered: whether elements are pairs of their number, int64 [], counted from `steps[0] * shard.count`, and the
        batch; not for a stream.

    Returns:
      A dataset of {"image": uint8 [b, height, width, channels] (absent in the tier `device`; of features instead
      "feature", [b, ...]), "index": int32 [b]
      (which image), "slot": int32 [b] (place in the global batch), "label": int32 [b] or float32 [b, num_classes],
      "weight": float32 [b]}
      with b = global_batch / shard.total, static.

    Example:
      >>> from ftdata import DataConfig, cache, open_source
      >>> config = DataConfig(image_dir=photos, image_size=32)
      >>> source = open_source(config)
      >>> images = cache.open_split(source.train, config, tier="memory")
      >>> weights = np.ones(len(source.class_names), np.float32)
      >>> batches = for_training(
      ...     images, source.train.labels, class_weights=weights, global_batch=8, seed=0, steps=(0, 10)
      ... )
      >>> [batch["image"].shape for batch in batches.take(2)]
      [TensorShape([8, 32, 32, 3]), TensorShape([8, 32, 32, 3])]
    """
    per_replica = global_batch // shard.total
    label_of, weight_of = _constant(labels), tf.constant(class_weights, tf.float32)

    def slots_of(element: tf.Tensor) -> tf.Tensor:
        replica = shard.first + element % shard.count
        return replica * per_replica + tf.range(per_replica, dtype=tf.int64)

    def batch(slots: tf.Tensor, index: tf.Tensor, pixels: Batch) -> Batch:
        label = tf.gather(label_of, index)
        return pixels | {
            "index": tf.cast(index, tf.int32),
            "slot": tf.cast(slots, tf.int32),
            "label": label,
            "weight": tf.ones_like(index, tf.float32) if is_multi(labels) else tf.gather(weight_of, label),
        }

    elements = tf.data.Dataset.range(steps[0] * shard.count, steps[1] * shard.count)
    if isinstance(images, ImageStream):
        line = _shuffled(images, len(labels), global_batch=global_batch, seed=seed, steps=steps, shard=shard)
        batches = tf.data.Dataset.zip(elements, line.batch(per_replica, drop_remainder=True))
        batches = batches.map(lambda element, part: batch(slots_of(element), part[0], {"image": part[1]})).prefetch(2)
        return batches.with_options(parallelism.fixed())  # those of the images do not come through a flat_map

    def batch_at(element: tf.Tensor) -> Batch:
        slots = slots_of(element)
        positions = element // shard.count * global_batch + slots
        index = image_at(positions, count=len(labels), seed=seed)
        if isinstance(images, FeatureViews):
            return batch(slots, index, {"feature": images.in_pass(index, positions // len(labels))})
        return batch(slots, index, {} if images.tier == "device" else {"image": images.read_at(index)})

    made = (lambda element: (element, batch_at(element))) if numbered else batch_at
    calls = tf.data.AUTOTUNE if isinstance(images, FeatureViews) else images.parallel_calls
    batches = elements.map(made, num_parallel_calls=calls).prefetch(tf.data.AUTOTUNE)
    return batches.with_options(parallelism.fixed(rewritten=images.tier == "none"))


def _constant(labels: np.ndarray) -> tf.Tensor:
    return tf.constant(labels, tf.float32 if is_multi(labels) else tf.int32)


def _shuffled(
    images: ImageStream, count: int, *, global_batch: int, seed: int, steps: tuple[int, int], shard: Shard
) -> tf.data.Dataset:
    """(position, image) of the places that the shard feeds, one by one, from the first step on."""
    encoded = images.encoded()
    first, end = steps[0] * global_batch, steps[1] * global_batch

    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        # of this graph alone, so that the order does not depend on the global seed (which, at 0, is an error here)
        tf.compat.v1.set_random_seed(seeds.number(seed, "stream_order"))
        # a seed of its own for each pass; iterating again must give the same order
        return encoded.shuffle(_SHUFFLED, seed=number, reshuffle_each_iteration=False)

    passes = tf.data.Dataset.range(first // count, -(-end // count) + 1).flat_map(one_pass)
    line = passes.skip(first % count)
    if shard.count < shard.total:
        begin, size = (part * (global_batch // shard.total) for part in (shard.first, shard.count))
        whole = line.batch(global_batch, drop_remainder=True)
        line = whole.map(lambda *parts: tuple(part[begin : begin + size] for part in parts)).unbatch()
    return line.map(lambda position, file: (position, images.decode(file)), num_parallel_calls=images.parallel_calls)


def image_at(positions: tf.Tensor, *, count: int, seed: int) -> tf.Tensor:
    """Which image is at each of some consecutive global positions.

    Args:
      positions: int64 [b], b static, rising by one.
      count: number of images.
      seed: of the order, as for `for_training`.

    Returns:
      int64 [b], from 0 to count - 1.
    """
    # The permutation takes one key a call, so a batch that reaches into the next pass takes one call a pass.
    first_pass = positions[0] // count
    index = tf.zeros_like(positions)
    for ahead in range(positions.shape[0] // count + 2 if positions.shape[0] > 1 else 1):
        this_pass = first_pass + ahead
        shuffled = _permuted(positions % count, count=count, key=_key(seed, this_pass))
        index = tf.where(positions // count == this_pass, shuffled, index)
    return index


def _key(seed: int, number: tf.Tensor) -> tf.Tensor:
    """Of the permutation of a pass, int64 [3].

    RandomIndexShuffle takes only the lowest bits of each word, 8 up to 65,536 images: with the seed and the pass as
    they are, seeds and passes 256 apart would have one order. Two operations make it, because an operation costs a
    batch about as much as the whole permutation.
    """
    words = tf.constant([seeds.number(seed, "order", word) for word in range(3)], tf.int64)
    return words + number // tf.constant([2**62, 2**8, 1], tf.int64)


def _permuted(index: tf.Tensor, *, count: int, key: tf.Tensor) -> tf.Tensor:
    """Where a permutation of 0 .. count - 1 takes each of `index`, int64 [b]."""

    def permuted(values: tf.Tensor, last: int) -> tf.Tensor:
        return tf.raw_ops.RandomIndexShuffle(
            index=values, seed=key, max_index=tf.constant(last, tf.int64), rounds=_ROUNDS
        )

    # a last index that is a power of two gets a block of bits too small for it, and is taken for 0: permute one more
    # then, and whatever is taken to that one goes where that one is taken (smaller ones get 16 bits anyway)
    if count - 1 < 2**16 or (count - 1) & (count - 2):
        return permuted(index, count - 1)
    once = permuted(index, count)
    return tf.where(once == count, permuted(tf.constant([count], tf.int64), count), once)


def for_evaluation(images: Images, labels: np.ndarray, *, global_batch: int, shard: Shard = _ALONE) -> tf.data.Dataset:
    """Every image exactly once, in order, in batches of one static shape.

    The batches are those of `for_training`; places beyond the last image repeat it with weight 0. Every
    replica gets the same number of batches.

    Args:
      images: n of them, or their features.
      labels: int32 [n] or float32 [n, num_classes].
      global_batch: images per step over all replicas; a multiple of `shard.total`.
      shard: the replicas to feed; consecutive elements go to consecutive replicas.
    """
    per_replica = global_batch // shard.total
    steps = -(-len(labels) // (per_replica * shard.total))
    label_of = _constant(labels)

    def batch_at(element: tf.Tensor, read_at: Callable[[tf.Tensor], tf.Tensor]) -> Batch:
        step, replica = element // shard.count, shard.first + element % shard.count
        slots = replica * per_replica + tf.range(per_replica, dtype=tf.int64)
        positions = step * per_replica * shard.total + slots
        index = tf.minimum(positions, len(labels) - 1)
        return {
            images.content: read_at(index),
            "index": tf.cast(index, tf.int32),
            "slot": tf.cast(slots, tf.int32),
            "label": tf.gather(label_of, index),
            "weight": tf.cast(positions < len(labels), tf.float32),
        }

    elements = tf.data.Dataset.range(steps * shard.count)
    if isinstance(images, ImageStream):
        pixels = _in_order(images, steps, per_replica, shard)
        return tf.data.Dataset.zip(elements, pixels).map(lambda element, part: batch_at(element, lambda _: part))
    read, calls = images.read_at, images.parallel_calls
    batches = elements.map(lambda element: batch_at(element, read), num_parallel_calls=calls).prefetch(2)
    return batches.with_options(parallelism.fixed(rewritten=images.tier == "none"))


def _in_order(images: ImageStream, steps: int, per_replica: int, shard: Shard) -> tf.data.Dataset:
    """The stream's images in batches, the last one repeated to fill up."""
    last = images.encoded().reduce((tf.constant(0, tf.int64), b""), lambda _, element: element)
    padded = images.encoded().concatenate(tf.data.Dataset.from_tensors(last).repeat())
    every = padded.batch(per_replica, drop_remainder=True).enumerate()
    mine = every.filter(lambda k, _: (k % shard.total >= shard.first) & (k % shard.total < shard.first + shard.count))
    files = mine.map(lambda _, part: part[1]).unbatch()
    decoded = files.map(images.decode, num_parallel_calls=images.parallel_calls)
    return decoded.batch(per_replica, drop_remainder=True).take(steps * shard.count).prefetch(2)
