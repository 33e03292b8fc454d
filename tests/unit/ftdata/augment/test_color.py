"""Colour jitter: PIL's enhancements, without their rounding."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from ftdata.augment.color import RandomColorJitter
from ftdata.errors import UserError

_NOISE = np.random.default_rng(3).integers(0, 256, (6, 12, 10, 3), np.uint8)


def _factors(**given):
    return {name: tf.constant(given.get(name, [1.0])) for name in ("brightness", "contrast", "saturation")}


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({}, [[200, 100, 0], [40, 40, 40]]),
        ({"brightness": [0.5]}, [[100, 50, 0], [20, 20, 20]]),
        ({"brightness": [2.0]}, [[255, 200, 0], [80, 80, 80]]),  # cut at 255
        ({"contrast": [0.0]}, [[79.25] * 3] * 2),  # (0.299 * 200 + 0.587 * 100 + 40) / 2
        ({"contrast": [2.0]}, [[255, 120.75, 0], [0.75] * 3]),  # 2 x - 79.25
        ({"saturation": [0.0]}, [[118.5] * 3, [40] * 3]),
        ({"saturation": [1.5]}, [[240.75, 90.75, 0], [40] * 3]),  # 1.5 x - 0.5 * 118.5; grey stays grey
    ],
)
def test_each_factor_gives_the_literal_pixels(factors, expected):
    pixels = np.array([200, 100, 0, 40, 40, 40], np.uint8).reshape(1, 1, 2, 3)
    result = RandomColorJitter().apply(pixels, _factors(**factors))
    np.testing.assert_allclose(result[0, 0], expected, atol=1e-4)


def test_factors_of_one_change_no_bit():
    np.testing.assert_array_equal(RandomColorJitter(0.0, seed=1)(_NOISE, training=True), _NOISE.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "enhance"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ],
)
@pytest.mark.parametrize("factor", [0.0, 0.4, 1.3, 2.0])
def test_each_change_is_that_of_pil(name, enhance, factor):
    result = RandomColorJitter().apply(_NOISE[:1], _factors(**{name: [factor]}))
    expected = np.asarray(enhance(Image.fromarray(_NOISE[0])).enhance(factor), np.float32)
    # PIL rounds the grey level, which a factor of 2 leaves in and 0 shows whole, and then the result
    assert np.abs(result[0] - expected).max() <= 1.6


def test_the_order_is_brightness_contrast_saturation():
    layer = RandomColorJitter()
    factors = {"brightness": [1.6], "contrast": [0.5], "saturation": [1.8]}
    expected = tf.constant(_NOISE[:1])
    for name in factors:
        expected = layer.apply(expected, _factors(**{name: factors[name]}))
    np.testing.assert_allclose(layer.apply(_NOISE[:1], _factors(**factors)), expected, atol=1e-3)


def test_eager_and_compiled_draw_and_change_alike():
    layer, seed = RandomColorJitter(0.7), tf.constant([4, 5])

    def change(seed):
        return layer.apply(_NOISE, layer.sample(6, 12, 10, seed))

    np.testing.assert_allclose(tf.function(change, autograph=False, jit_compile=True)(seed), change(seed), atol=0.01)


def test_factors_fill_the_range_evenly():
    drawn = RandomColorJitter(0.4).sample(20_000, 8, 8, (1, 2))
    for values in drawn.values():
        assert 0.6 <= values.numpy().min() < 0.601
        assert 1.399 < values.numpy().max() <= 1.4
        assert values.numpy().mean() == pytest.approx(1.0, abs=0.005)
    assert not np.array_equal(drawn["brightness"], drawn["contrast"])


def test_images_of_one_channel_have_no_saturation_to_change():
    grey = _NOISE[..., :1]
    result = RandomColorJitter().apply(grey, _factors(saturation=[0.2] * 6, brightness=[1.0] * 6, contrast=[1.0] * 6))
    np.testing.assert_allclose(result, grey, atol=1e-4)


def test_the_layer_is_itself_after_loading_and_idle_outside_training():
    layer = RandomColorJitter(0.3, seed=2)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(_NOISE), _NOISE)


@pytest.mark.parametrize("strength", [-0.1, 1.1, True, "much"])
def test_a_bad_strength_is_named(strength):
    with pytest.raises(UserError, match="strength must be one number from 0 to 1"):
        RandomColorJitter(strength)
