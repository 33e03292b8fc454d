"""Which images are estimated from, where there are many."""

import numpy as np
import pytest

from ftdata import seeds
from trainers.folds import sample


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(sample, "MOST_IMAGES", 100)


def test_up_to_the_most_all_are_taken():
    assert sample.sample(np.arange(100) % 7, seed=0).all()


def test_of_few_classes_they_are_drawn_by_chance():
    labels = np.arange(1_000) % 3
    expected = np.zeros(1_000, bool)
    expected[seeds.generator(5, "estimate").permutation(1_000)[:100]] = True
    assert sample.sample(labels, seed=5).tolist() == expected.tolist()


@pytest.mark.parametrize("classes", [30, 33, 34, 50])
def test_of_many_classes_three_of_each_are_there(classes):
    labels = np.random.default_rng(classes).permutation(np.arange(1_000) % classes)
    labels = np.append(labels, classes)  # one alone
    chosen = sample.sample(labels, seed=1)
    counts = np.bincount(labels[chosen])
    assert counts[:-1].min() == 3
    assert counts[-1] == 1
    assert chosen.sum() == max(100, 3 * classes + 1)
