"""A head in closed form."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from trainers.evaluation.scores import Evaluation
from trainers.training import discriminant_head, logistic_head
from trainers.training.discriminant_head import Normals, choose, solved


def drawn(count, *, classes=6, channels=8, apart=1.5, seed=0):
    """Features of normal classes with one covariance, and their labels."""
    generator = np.random.default_rng(seed)
    world = np.random.default_rng(99)
    centres, mixing = world.normal(size=(classes, channels)) * apart, world.normal(size=(channels, channels))
    labels = np.arange(count) % classes
    features = centres[labels] + generator.normal(size=(count, channels)) @ mixing
    return (3 + 2 * features).astype(np.float32), labels


def test_without_shrinkage_it_is_discriminant_analysis():
    features, labels = drawn(300)
    kernel, bias = Normals.of(features, labels, dict.fromkeys(range(6), 1.0)).head(0.0, 1.0)
    other = LinearDiscriminantAnalysis(solver="lsqr").fit(features, labels)
    unseen, _ = drawn(200, seed=1)
    ours, theirs = unseen @ kernel + bias, other.decision_function(unseen)
    scale = 294 / 300  # theirs divides the covariance by the images, ours by those less the classes
    np.testing.assert_allclose((ours - ours[:, :1]) / scale, theirs - theirs[:, :1], rtol=0.02, atol=0.05)


def test_it_answers_about_as_well_as_logistic_regression_and_its_probabilities_come_true():
    features, labels = drawn(600)
    unseen, truth = drawn(2_000, seed=1)
    weights = dict.fromkeys(range(6), 1.0)
    judged = []
    for kind in (discriminant_head, logistic_head):
        (kernel, bias), _, score = kind.solved(features[None], labels, weights, groups=None, monitor="accuracy")
        judged.append(Evaluation((unseen @ kernel + bias).astype(float), truth))
        assert score == pytest.approx(judged[-1].accuracy, abs=0.05)
    ours, theirs = judged
    assert ours.accuracy > theirs.accuracy - 0.02
    assert ours.loss < theirs.loss + 0.05
    assert ours.confidence.mean() == pytest.approx(ours.accuracy, abs=0.1)


def test_classes_count_by_their_weights_and_an_absent_one_is_never_the_answer():
    features, labels = drawn(120)
    weights = dict.fromkeys(range(7), 1.0)  # of the last there is no image
    kernel, bias = Normals.of(features, labels, weights).head(0.3, 1.0)
    answers = (features @ kernel + bias).argmax(axis=1)
    assert answers.max() < 6
    often = Normals.of(features, labels, weights | {2: 1e6}).head(0.3, 1.0)
    assert np.mean((features @ often[0] + often[1]).argmax(axis=1) == 2) > 0.9


def test_one_image_of_a_class_leaves_nothing_to_choose():
    features, labels = drawn(13)  # one class has three, the others two
    alone = np.append(labels, 6)
    more = np.concatenate([features, features[:1] + 1])
    weights = dict.fromkeys(range(7), 1.0)
    assert choose(more, alone, weights, groups=None, monitor="loss")[1] is None
    (kernel, bias), _, score = solved(more[None], alone, weights, groups=None, monitor="loss")
    assert score is None
    assert np.isfinite(more @ kernel + bias).all()
