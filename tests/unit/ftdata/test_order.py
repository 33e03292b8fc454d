"""The order of the images against chance: across passes and within one, by batches, by classes, by pairs.

Files are sorted by class, so an image's number stands for its class.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from ftdata.pipeline import image_at

_BATCH, _CLASSES = 32, 10
_BOUND = 5  # standard deviations; of the 200 or so below, chance passes it once in ten thousand


def z_scores(passes):
    """How far a run of passes is from chance, in standard deviations, by what is counted."""
    n = len(passes[0])
    labels = np.arange(n) * _CLASSES // n
    pairs = [order[: n // 2 * 2].reshape(-1, 2) for order in passes]
    scores = {
        **{
            f"passes {lag} apart": _worst((a, b) for a, b in zip(passes, passes[lag:], strict=False))
            for lag in (1, 2, 3)
        },
        "place and number": _worst((np.arange(n), order) for order in passes),
        "neighbours": _worst((order[lag:], order[:-lag]) for order in passes for lag in (1, 2, 4, 8)),
        "met again": _met_again(passes),
        "class runs": _share(labels[order][1:] == labels[order][:-1] for order in passes),
        "classes of a batch": _classes(passes, labels),
        "classes of partners": _share(labels[pair[:, 0]] == labels[pair[:, 1]] for pair in pairs),
        "distance of partners": _distance(np.concatenate(pairs), n),
        "partners again": _again(pairs, n),
    }
    return {name: float(score) for name, score in scores.items()}


def _worst(columns):
    return max((abs(np.corrcoef(a, b)[0, 1]) * np.sqrt(len(a)) for a, b in columns), default=0.0)


def _share(matches):
    """Of neighbours, or partners, that are of one class."""
    matches = np.concatenate(list(matches))
    p = 1 / _CLASSES
    return (matches.mean() - p) / np.sqrt(p * (1 - p) / len(matches))


def _met_again(passes):
    """Pairs of images that share a batch in two consecutive passes."""
    found = expected = 0
    n, whole = len(passes[0]), len(passes[0]) // _BATCH * _BATCH
    for order, following in itertools.pairwise(passes):
        batch_of = np.empty(n, np.int64)
        batch_of[following] = np.arange(n) // _BATCH
        there = np.sort(batch_of[order[:whole]].reshape(-1, _BATCH), axis=1)
        found += sum((there[:, lag:] == there[:, :-lag]).sum() for lag in range(1, _BATCH))
        expected += whole * (_BATCH - 1) / 2 * (_BATCH - 1) / (n - 1)
    return (found - expected) / np.sqrt(expected)


def _classes(passes, labels):
    """Whether the classes of a batch scatter as drawn ones do: neither in rows nor too even."""
    n, whole = len(labels), len(labels) // _BATCH * _BATCH
    batches = np.concatenate([labels[order][:whole].reshape(-1, _BATCH) for order in passes])
    counts = np.stack([(batches == label).sum(axis=1) for label in range(_CLASSES)])
    drawn = _BATCH / _CLASSES * (1 - 1 / _CLASSES) * (n - _BATCH) / (n - 1)
    ratio = np.mean((counts - _BATCH / _CLASSES) ** 2) / drawn
    return (ratio - 1) / np.sqrt(2 / (len(batches) * (_CLASSES - 1)))


def _distance(pairs, n):
    return (np.abs(pairs[:, 0] - pairs[:, 1]).mean() / n - 1 / 3) / np.sqrt(1 / 18 / len(pairs))


def _again(pairs, n):
    """MixUp's partners that are partners in the next pass too: half a pair by chance."""
    keys = [pair.min(axis=1) * n + pair.max(axis=1) for pair in pairs]
    found = sum(len(np.intersect1d(a, b)) for a, b in itertools.pairwise(keys))
    expected = (len(keys) - 1) / 2
    return (found - expected) / np.sqrt(expected)


def passes(n, count, *, seed=0):
    everything = image_at if n < 2 else tf.function(image_at)
    return [everything(tf.range(k * n, k * n + n, dtype=tf.int64), count=n, seed=seed).numpy() for k in range(count)]


@pytest.mark.parametrize(("n", "count"), [(1_000, 12), (10_000, 8), (100_000, 4)])
def test_the_order_is_as_good_as_drawn(n, count):
    scores = z_scores(passes(n, count))
    assert {name: score for name, score in scores.items() if abs(score) > _BOUND} == {}


@pytest.mark.slow  # half a minute
@pytest.mark.parametrize("seed", [0, 1, 12345])
@pytest.mark.parametrize(
    ("n", "count"),
    [(1_000, 100), (10_000, 40), (65_536, 12), (100_000, 12), (300_000, 6), (600_000, 4), (1_000_000, 4)],
)
def test_the_order_is_as_good_as_drawn_in_many_passes(n, count, seed):
    # at 1,000,000 the 8 rounds that are enough for 100,000 still let passes correlate by 0.11
    scores = z_scores(passes(n, count, seed=seed))
    assert {name: score for name, score in scores.items() if abs(score) > _BOUND} == {}


def test_the_scores_find_what_index_shuffle_does():
    """It has 4 rounds: that the bound above can be passed."""
    n = 50_000
    bad = [
        tf.random.experimental.index_shuffle(tf.range(n, dtype=tf.int64), seed=[0, k], max_index=n - 1).numpy()
        for k in range(4)
    ]
    scores = z_scores(bad)
    beyond = {name for name, score in scores.items() if abs(score) > 2 * _BOUND}
    assert {
        "passes 1 apart",
        "passes 2 apart",
        "neighbours",
        "met again",
        "class runs",
        "classes of partners",
    } <= beyond
    assert scores["passes 1 apart"] / np.sqrt(n) > 0.7


# a last number that is a power of two: TensorFlow's permutation takes 65,536 for 0 and shows 0 twice
@pytest.mark.parametrize("n", [1, 2, 3, 5, 9, 17, 257, 65_536, 65_537, 65_538])
def test_a_pass_is_a_permutation_of_any_number_of_images(n):
    (order,) = passes(n, 1)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_all_orders_of_a_few_images_are_equally_frequent():
    orders = passes(3, 300)
    _, counts = np.unique([order @ [9, 3, 1] for order in orders], return_counts=True)
    assert len(counts) == 6
    assert np.sum((counts - 50) ** 2 / 50) < 20.5  # chi-squared with 5 degrees of freedom: p = 0.001
