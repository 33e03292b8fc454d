"""Weights that make up for classes out of balance."""

import numpy as np
import pytest

from ftdata.errors import UserError
from ftdata.sources.weighting import class_weights


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((994, 1210, 1966), (1.39839034, 1.14876033, 0.70701933)),  # knifey-spoony's, by scikit-learn
        ((5, 5), (1.0, 1.0)),
        ((1, 3), (2.0, 0.6666667)),
        ((4, 0, 4), (1.0, 0.0, 1.0)),  # nobody asks for the second: it has no image
    ],
)
def test_balanced_weights(counts, expected):
    labels = np.random.default_rng(0).permutation(np.repeat(range(len(counts)), counts)).astype(np.int32)
    weights = class_weights(labels, [f"c{k}" for k in range(len(counts))], "balanced")
    np.testing.assert_allclose(weights, np.array(expected, np.float32), rtol=1e-7, strict=True)
    assert weights[labels].sum() == pytest.approx(len(labels))  # the mean weight is 1


def test_balanced_weights_are_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.random.default_rng(0).integers(0, 7, (2, 1000)).min(axis=0)  # the higher the rarer
    expected = compute_class_weight("balanced", classes=np.arange(7), y=labels)
    weights = class_weights(labels, "abcdefg", "balanced")
    np.testing.assert_array_equal(weights, expected.astype(np.float32), strict=True)


def test_no_weights_are_ones():
    weights = class_weights(np.array([0, 0, 1]), "abc", "none")
    np.testing.assert_array_equal(weights, np.ones(3, np.float32), strict=True)


def test_some_classes_are_given_weights_by_name():
    weights = class_weights(np.array([0, 1, 1]), ["caf\u00e9", "dog", "a=b"], {"cafe\u0301": 0.5, "a=b": 3})
    np.testing.assert_array_equal(weights, np.float32([0.5, 1, 3]), strict=True)


def test_a_name_that_is_no_class_is_refused_with_the_names():
    with pytest.raises(UserError, match="^class_weight must name classes, got dogs: they are cat, dog$"):
        class_weights(np.array([0, 1]), ["cat", "dog"], {"cat": 2.0, "dogs": 2.0})
