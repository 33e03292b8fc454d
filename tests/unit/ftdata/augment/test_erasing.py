"""Random erasing and the rectangles it draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from ftdata.augment import rectangles
from ftdata.augment.erasing import RandomErasing
from ftdata.augment.sampled_layer import uniform
from ftdata.errors import UserError

_NOISE = np.random.default_rng(3).integers(0, 256, (16, 20, 30, 3), np.uint8)


def test_the_rectangle_takes_the_mean_of_each_channel():
    pixels = np.zeros((2, 3, 4, 2), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(12).reshape(3, 4), 7
    edges = {"top": [1, 0], "left": [2, 0], "bottom": [3, 0], "right": [4, 0]}
    for apply in (RandomErasing().apply, tf.function(RandomErasing().apply, autograph=False, jit_compile=True)):
        result = apply(pixels, {name: tf.constant(value) for name, value in edges.items()}).numpy()
        assert result[0, ..., 0].tolist() == [[0, 1, 2, 3], [4, 5, 5.5, 5.5], [8, 9, 5.5, 5.5]]
        np.testing.assert_array_equal(result[0, ..., 1], 7)
        np.testing.assert_array_equal(result[1], pixels[1])  # an empty rectangle erases nothing


@pytest.mark.parametrize(("height", "width"), [(100, 100), (60, 100)])
def test_rectangles_lie_inside_with_uniform_area_and_an_aspect_in_range(height, width):
    drawn = rectangles.draw(
        uniform([4, 10_000], (1, 2)), height=height, width=width, area=(0.02, 0.33), aspect=(0.3, 1 / 0.3)
    )
    top, left, tall, wide = (value.numpy().astype(np.float64) for value in drawn)
    assert min(top.min(), left.min()) >= 0
    assert (top + tall).max() <= height + 1e-3
    assert (left + wide).max() <= width + 1e-3
    area = tall * wide / (height * width)
    assert stats.kstest(area, stats.uniform(0.02, 0.31).cdf).pvalue > 0.001
    assert (wide / tall).min() >= 0.3 - 1e-4
    assert (wide / tall).max() <= 1 / 0.3 + 1e-4
    # of a small area every aspect fits: uniform in the logarithm
    small = np.log((wide / tall)[area < 0.15])
    assert stats.kstest(small, stats.uniform(np.log(0.3), -2 * np.log(0.3)).cdf).pvalue > 0.001
    # of the places left, each is as likely
    assert stats.kstest(top / (height - tall), "uniform").pvalue > 0.001


def test_a_rectangle_that_cannot_fit_is_cut_to_the_image():
    u = tf.constant([[0.5], [0.5], [0.9], [0.9]])
    drawn = rectangles.draw(u, height=10, width=1000, area=(1.0, 1.0), aspect=(1.0, 1.0))  # a square of side 100
    np.testing.assert_allclose(tf.concat(drawn, 0), [0, 810, 10, 100], rtol=1e-5)


def test_probability_is_the_share_of_images_that_lose_a_rectangle():
    drawn = RandomErasing(0.3).sample(10_000, 50, 50, (1, 2))
    erased = drawn["bottom"] > drawn["top"]
    assert np.mean(erased) == pytest.approx(0.3, abs=0.02)
    area = ((drawn["bottom"] - drawn["top"]) * (drawn["right"] - drawn["left"])).numpy() / 50**2
    assert area[erased].min() >= 0.01
    assert area.max() <= 0.36  # edges are rounded
    assert not np.any(RandomErasing(0.0).sample(100, 50, 50, (1, 2))["bottom"])
    assert np.all(RandomErasing(1.0).sample(100, 50, 50, (1, 2))["bottom"])


def test_eager_and_compiled_erase_alike():
    layer, seed = RandomErasing(0.7), tf.constant([4, 5])

    def erase(seed):
        return layer.apply(_NOISE, layer.sample(16, 20, 30, seed))

    np.testing.assert_allclose(tf.function(erase, autograph=False, jit_compile=True)(seed), erase(seed), atol=0.01)


def test_the_layer_is_itself_after_loading_and_idle_outside_training():
    layer = RandomErasing(0.3, seed=2)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(_NOISE), _NOISE)
    assert not np.array_equal(RandomErasing(1.0, seed=2)(_NOISE[0], training=True), _NOISE[0])


def test_a_bad_probability_is_named():
    with pytest.raises(UserError, match=r"probability must be one number from 0 to 1, got 1\.5"):
        RandomErasing(1.5)
