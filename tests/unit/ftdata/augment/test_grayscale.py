"""Grayscale: PIL's grey in all channels."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ftdata.augment.grayscale import RandomGrayscale
from ftdata.errors import UserError

_NOISE = np.random.default_rng(3).integers(0, 256, (6, 12, 10, 3), np.uint8)


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: tf.function(f, autograph=False, jit_compile=True)])
def test_the_chosen_images_are_grey_and_the_others_as_they_were(wrap):
    pixels = np.tile(np.array([200, 100, 0, 40, 40, 40], np.uint8).reshape(1, 1, 2, 3), (2, 1, 1, 1))
    result = wrap(RandomGrayscale().apply)(pixels, {"is_grey": tf.constant([True, False])})
    np.testing.assert_allclose(result[0, 0], [[118.5] * 3, [40] * 3], atol=1e-4)  # 0.299 * 200 + 0.587 * 100
    np.testing.assert_array_equal(result[1], pixels[1])


def test_the_grey_is_that_of_pil():
    result = RandomGrayscale(1.0, seed=1)(_NOISE, training=True).numpy()
    assert np.abs(result[0, ..., 0] - np.asarray(Image.fromarray(_NOISE[0]).convert("L"))).max() <= 0.51  # it rounds
    np.testing.assert_array_equal(result[..., 0], result[..., 2])


@pytest.mark.parametrize("probability", [0.0, 0.2, 1.0])
def test_probability_is_the_share_of_grey_images(probability):
    drawn = RandomGrayscale(probability).sample(20_000, 8, 8, (1, 2))["is_grey"]
    assert np.mean(drawn) == pytest.approx(probability, abs=0.01 if 0 < probability < 1 else 0)


def test_the_layer_is_itself_after_loading_and_idle_outside_training():
    layer = RandomGrayscale(0.7, seed=2)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(_NOISE), _NOISE)
    np.testing.assert_array_equal(RandomGrayscale(1.0)(_NOISE[..., :1], training=True), _NOISE[..., :1])


def test_a_bad_probability_is_named():
    with pytest.raises(UserError, match=r"probability must be one number from 0 to 1, got -0\.1"):
        RandomGrayscale(-0.1)
