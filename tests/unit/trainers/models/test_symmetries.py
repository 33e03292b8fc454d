"""An image mirrored and turned, and the mean over all of it."""

import keras
import numpy as np
import pytest

from ftdata.errors import UserError
from trainers.models import folding, symmetries
from trainers.models.classifier import logits_of

_IMAGE = np.arange(9.0, dtype=np.float32).reshape(1, 3, 3, 1)


def test_flip_adds_the_mirror_image():
    itself, mirrored = symmetries.images_of(_IMAGE, "flip")
    assert itself is _IMAGE
    assert np.asarray(mirrored)[0, ..., 0].tolist() == [[2, 1, 0], [5, 4, 3], [8, 7, 6]]
    assert symmetries.images_of(_IMAGE, "none") == [_IMAGE]


def test_dihedral_is_every_flip_and_quarter_turn_once():
    ours = [np.asarray(image)[0, ..., 0] for image in symmetries.images_of(_IMAGE, "dihedral")]
    square = _IMAGE[0, ..., 0]
    expected = [np.rot90(side, turns) for side in (square, square[:, ::-1]) for turns in range(4)]
    assert {image.tobytes() for image in ours} == {np.ascontiguousarray(image).tobytes() for image in expected}
    assert len({image.tobytes() for image in ours}) == symmetries.KINDS["dihedral"]
    np.testing.assert_array_equal(ours[0], square)


def test_an_image_that_is_not_square_cannot_be_turned():
    with pytest.raises(UserError, match="dihedral turns square images, got 2 x 3 pixels: use flip"):
        symmetries.images_of(np.zeros((1, 2, 3, 1), np.float32), "dihedral")


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(3)
    layers = [
        keras.Input((6, 6, 3)),
        keras.layers.Conv2D(4, 3, use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Flatten(),
        keras.layers.Dense(3, name="logits"),
        keras.layers.Softmax(name="probabilities"),
    ]
    return keras.Sequential(layers)


@pytest.mark.parametrize("kind", symmetries.KINDS)
def test_probabilities_are_averaged(classifier, kind):
    images = np.random.default_rng(0).normal(0, 3, (5, 6, 6, 3)).astype(np.float32)
    several = [classifier(np.asarray(image)).numpy() for image in symmetries.images_of(images, kind)]
    assert len(several) == symmetries.KINDS[kind]
    averaged = symmetries.averaged(classifier, kind)
    np.testing.assert_allclose(averaged(images), np.mean(several, axis=0), atol=1e-6)
    logits = logits_of(averaged)(images).numpy()
    np.testing.assert_allclose(keras.ops.softmax(logits), np.mean(several, axis=0), atol=1e-6)
    np.testing.assert_allclose(folding.for_inference(averaged)(images), averaged(images), atol=1e-6)


def test_classes_that_all_of_them_round_to_nothing_keep_their_order(classifier):
    certain = keras.models.clone_model(classifier)  # the last of its weights is the bias of the logits
    certain.set_weights([*classifier.get_weights()[:-1], np.array([0, -300, -200], np.float32)])
    images = np.random.default_rng(0).normal(0, 3, (5, 6, 6, 3)).astype(np.float32)
    averaged = symmetries.averaged(certain, "dihedral")
    assert averaged(images).numpy().tolist() == [[1, 0, 0]] * 5
    assert np.argsort(logits_of(averaged)(images), axis=1).tolist() == [[1, 2, 0]] * 5


def test_an_averaged_classifier_is_saved_without_this_project(classifier, tmp_path):
    averaged = symmetries.averaged(classifier, "dihedral")
    averaged.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    images = np.random.default_rng(0).normal(0, 3, (5, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(loaded(images), averaged(images), atol=1e-6)
    assert len(loaded.weights) == len(classifier.weights)
