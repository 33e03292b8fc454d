"""Grad-CAM on networks whose answer is known."""

import keras
import numpy as np
import pytest

from trainers.evaluation import grad_cam


def classifier(*, nested):
    """Class 0 looks for red, class 1 for blue, each by a feature map of its own."""
    layers, pixels = keras.layers, keras.Input((32, 32, 3))
    maps = layers.Conv2D(2, 1, activation="relu", name="maps")
    pooled = layers.AveragePooling2D(4, name="pooled")
    if nested:
        inner = keras.Input((32, 32, 3))
        x = keras.Model(inner, pooled(maps(inner)), name="base")(layers.Rescaling(1 / 255)(pixels))
    else:
        x = pooled(maps(layers.Rescaling(1 / 255)(pixels)))
    x = layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D(name="pooling")(x))
    network = keras.Model(pixels, layers.Softmax(name="probabilities")(x))
    maps.set_weights([np.array([[[[1, 0], [0, 0], [0, 1]]]], np.float32), np.zeros(2, np.float32)])
    network.get_layer("logits").set_weights([np.eye(2, dtype=np.float32), np.zeros(2, np.float32)])
    network.trainable = False
    return network


def half_red_half_blue():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :16, 0], image[:, 16:, 2] = 255, 255
    return image


@pytest.mark.parametrize("nested", [True, False])
def test_what_speaks_for_a_class_is_where_its_color_is(nested):
    network, images = classifier(nested=nested), np.stack([half_red_half_blue()] * 3)
    images[2] = 0
    maps = grad_cam.heat(network, images, np.array([0, 1, 0]))
    assert maps.shape == (3, 32, 32)
    left, right = maps[:, :, :12].mean(axis=(1, 2)), maps[:, :, 20:].mean(axis=(1, 2))  # apart from the soft border
    np.testing.assert_allclose(left, [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(right, [0, 1, 0], atol=1e-6)


def test_the_network_is_left_as_it_was():
    network, images = classifier(nested=True), half_red_half_blue()[None]
    before = network(images).numpy()
    grad_cam.heat(network, images, np.array([0]))
    assert "call" not in vars(network.get_layer("base").get_layer("pooled"))
    np.testing.assert_array_equal(network(images), before)


def test_a_network_without_feature_maps_has_none():
    pixels = keras.Input((8, 8, 3))
    scores = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(pixels))
    assert grad_cam.heat(keras.Model(pixels, scores), np.zeros((1, 8, 8, 3)), np.array([0])) is None


def test_no_mistakes_are_no_maps():
    assert grad_cam.heat(classifier(nested=True), np.zeros((0, 32, 32, 3)), np.zeros(0, int)).shape == (0, 32, 32)


def test_maps_of_a_single_place_are_left_out():
    layers, pixels = keras.layers, keras.Input((8, 8, 3))
    maps = layers.Conv2D(2, 8, name="maps")(pixels)
    network = keras.Model(pixels, layers.Dense(2, name="logits")(layers.Flatten()(maps)))
    assert grad_cam.is_single_place(network)
    assert not grad_cam.is_single_place(classifier(nested=True))
    assert grad_cam.heat(network, np.zeros((1, 8, 8, 3)), np.array([0])) is None
