"""The order of images: every one once a pass, rebuilt from any step, shared among replicas."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from ftdata import seeds
from ftdata.cache.images import from_tensor
from ftdata.pipeline import Shard, for_evaluation, for_training, image_at

SEED = 7
WHOLE = Shard()


def pictures(n):
    """n images that tell their number in two channels, and labels that follow from it."""
    numbers = np.arange(n)
    images = np.zeros((n, 2, 3, 2), np.uint8)
    images[..., 0], images[..., 1] = (numbers % 256)[:, None, None], (numbers // 256)[:, None, None]
    return from_tensor(tf.constant(images)), (numbers * 5 % 3).astype(np.int32)


@functools.cache
def training(n, global_batch, steps, *, seed=SEED, shard=WHOLE):
    images, labels = pictures(n)
    weights = np.array([0.5, 1.0, 2.0], np.float32)
    data = for_training(
        images, labels, class_weights=weights, global_batch=global_batch, seed=seed, steps=steps, shard=shard
    )
    return list(data.as_numpy_iterator())


def evaluation(n, global_batch, shard=WHOLE):
    images, labels = pictures(n)
    return list(for_evaluation(images, labels, global_batch=global_batch, shard=shard).as_numpy_iterator())


def joined(batches, key="index"):
    return np.concatenate([batch[key] for batch in batches])


def literal_image_at(position, *, n, seed):
    """What the module promises, one position at a time."""
    words, number = [seeds.number(seed, "order", word) for word in range(3)], position // n
    key = tf.constant([words[0], words[1] + number // 256, words[2] + number], tf.int64)
    place, last = (tf.constant(number, tf.int64) for number in (position % n, n - 1))
    return int(tf.raw_ops.RandomIndexShuffle(index=place, seed=key, max_index=last, rounds=12))


@pytest.mark.parametrize(
    ("n", "batch"),
    [
        (1, 1),
        (1, 4),  # one image, again and again
        (2, 3),
        (10, 5),  # passes end with a batch
        (10, 3),  # batches straddle two passes
        (10, 10),
        (10, 11),  # a batch longer than a pass
        (10, 45),  # a batch of four passes and a half
        (97, 32),
        (300, 7),
    ],
)
def test_order_is_the_literal_one(n, batch):
    steps = 3 * n // batch + 2
    expected = [literal_image_at(position, n=n, seed=SEED) for position in range(steps * batch)]
    np.testing.assert_array_equal(joined(training(n, batch, (0, steps))), expected)


@pytest.mark.parametrize(("n", "batch"), [(12, 4), (10, 3), (7, 20), (1, 3)])
def test_every_pass_shows_each_image_once(n, batch):
    index = joined(training(n, batch, (0, 4 * n)))
    passes = index[: len(index) // n * n].reshape(-1, n)
    np.testing.assert_array_equal(np.sort(passes, axis=1), np.tile(np.arange(n), (len(passes), 1)))


def test_passes_and_seeds_differ_in_order():
    n = 50
    orders = [joined(training(n, n, (step, step + 1), seed=seed)) for seed in (0, 1, 2**31 - 1) for step in range(3)]
    for first, second in itertools.combinations(orders, 2):
        assert (first != second).mean() > 0.5
    np.testing.assert_array_equal(joined(training.__wrapped__(n, n, (0, 1), seed=0)), orders[0])  # made again


@pytest.mark.parametrize(("n", "batch"), [(10, 3), (10, 25), (64, 16)])
@pytest.mark.parametrize("first", [1, 4, 11])
def test_restart_goes_on_as_if_nothing_had_happened(n, batch, first):
    whole, rest = training(n, batch, (0, 14)), training(n, batch, (first, 14))
    assert len(rest) == 14 - first
    for expected, got in zip(whole[first:], rest, strict=True):
        for key in expected:
            np.testing.assert_array_equal(got[key], expected[key], strict=True)


def test_late_steps_do_not_overflow():
    steps = (400_000_000, 400_000_001)  # positions beyond 2**31
    expected = [literal_image_at(steps[0] * 8 + slot, n=10, seed=SEED) for slot in range(8)]
    np.testing.assert_array_equal(joined(training(10, 8, steps)), expected)


def test_image_label_and_weight_belong_to_the_index():
    images, labels = pictures(300)
    for batch in training(300, 16, (0, 20)):
        np.testing.assert_array_equal(batch["image"], images.tensor.numpy()[batch["index"]])
        np.testing.assert_array_equal(batch["label"], labels[batch["index"]])
        np.testing.assert_array_equal(batch["weight"], np.array([0.5, 1.0, 2.0], np.float32)[batch["label"]])
        np.testing.assert_array_equal(batch["slot"], np.arange(16))


@pytest.mark.parametrize("total", [2, 4])
@pytest.mark.parametrize(("n", "global_batch"), [(10, 8), (10, 12), (10, 44)])
def test_batches_of_the_replicas_make_up_the_batch_of_one(n, global_batch, total):
    whole = training(n, global_batch, (2, 9))
    parts = training(n, global_batch, (2, 9), shard=Shard(count=total, total=total))
    assert len(parts) == total * len(whole)
    for step, expected in enumerate(whole):
        for key in expected:
            got = joined(parts[step * total : (step + 1) * total], key)
            np.testing.assert_array_equal(got, expected[key], strict=True)


@pytest.mark.parametrize(("first", "count"), [(0, 1), (1, 1), (2, 2), (1, 3)])
def test_a_worker_feeds_its_own_replicas_only(first, count):
    everyone = training(10, 12, (3, 8), shard=Shard(count=4, total=4))
    worker = training(10, 12, (3, 8), shard=Shard(first=first, count=count, total=4))
    expected = [batch for number, batch in enumerate(everyone) if first <= number % 4 < first + count]
    assert len(worker) == len(expected)
    for one, other in zip(expected, worker, strict=True):
        for key in one:
            np.testing.assert_array_equal(other[key], one[key], strict=True)


@pytest.mark.parametrize("make", ["training", "evaluation"])
def test_shapes_and_types_are_static(make):
    images, labels = pictures(10)
    shard = Shard(count=2, total=2)
    if make == "training":
        weights = np.ones(3)
        data = for_training(images, labels, class_weights=weights, global_batch=6, seed=0, steps=(0, 5), shard=shard)
    else:
        data = for_evaluation(images, labels, global_batch=6, shard=shard)
    assert data.element_spec == {
        "image": tf.TensorSpec((3, 2, 3, 2), tf.uint8),
        "index": tf.TensorSpec((3,), tf.int32),
        "slot": tf.TensorSpec((3,), tf.int32),
        "label": tf.TensorSpec((3,), tf.int32),
        "weight": tf.TensorSpec((3,), tf.float32),
    }


def test_image_at_is_the_same_compiled():
    positions = tf.range(17, 17 + 25, dtype=tf.int64)
    compiled = tf.function(image_at)(positions, count=10, seed=SEED)
    np.testing.assert_array_equal(compiled, image_at(positions, count=10, seed=SEED))


@pytest.mark.parametrize("total", [1, 2, 4])
@pytest.mark.parametrize("n", [1, 3, 7, 8, 9, 17])
def test_evaluation_counts_each_image_once(n, total):
    labels = pictures(n)[1]
    batches = evaluation(n, 8, Shard(count=total, total=total))
    index, weight = joined(batches), joined(batches, "weight")
    assert set(weight) <= {0.0, 1.0}
    np.testing.assert_array_equal(index[weight == 1], np.arange(n))  # in order, too
    np.testing.assert_array_equal(index[weight == 0], np.full(len(index) - n, n - 1))
    np.testing.assert_array_equal(joined(batches, "label"), labels[index])
    np.testing.assert_array_equal(joined(batches, "image")[:, 0, 0, 0], index)
    assert len(batches) == total * -(-n // 8)  # as many for every replica


def test_evaluation_by_two_workers_counts_each_image_once():
    workers = [evaluation(13, 4, Shard(first=first, count=1, total=2)) for first in (0, 1)]
    assert [len(batches) for batches in workers] == [4, 4]
    counted = np.concatenate([joined(batches)[joined(batches, "weight") > 0] for batches in workers])
    np.testing.assert_array_equal(np.sort(counted), np.arange(13))


def test_evaluation_of_nothing_is_nothing():
    assert evaluation(0, 8) == []


def test_several_labels_travel_as_rows_and_every_image_weighs_one():
    images, _ = pictures(10)
    labels = np.random.default_rng(0).integers(0, 2, (10, 4)).astype(np.float32)
    options = {"class_weights": np.float32([9, 8, 7, 6]), "global_batch": 4, "seed": SEED, "steps": (0, 6)}
    batches = list(for_training(images, labels, **options).as_numpy_iterator())
    batches += list(for_evaluation(images, labels, global_batch=4).as_numpy_iterator())
    for batch in batches:
        np.testing.assert_array_equal(batch["label"], labels[batch["index"]], strict=True)
    assert all((batch["weight"] == 1).all() for batch in batches[:8])
    singly = joined(training(10, 4, (0, 6)))
    np.testing.assert_array_equal(joined(batches[:6]), singly)  # the order is that of the images, whatever their labels
