"""Random convolution: what is drawn, and that it is a convolution of pixels counted from the middle grey."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from ftdata.augment.convolution import RandomConvolution
from ftdata.augment.sampled_layer import normal, uniform
from ftdata.errors import UserError

_NOISE = np.random.default_rng(3).integers(0, 256, (6, 12, 10, 3), np.uint8)


def _apply(pixels, kernel, keep):
    parameters = {"kernel": tf.constant(kernel, tf.float32), "keep": tf.constant(keep, tf.float32)}
    return RandomConvolution().apply(np.asarray(pixels, np.float32), parameters).numpy()


def _kernel(**weights):
    """One kernel, nothing but `row_column_in_out=weight`."""
    kernel = np.zeros((1, 3, 3, 3, 3))
    for place, weight in weights.items():
        kernel[(0, *map(int, place.removeprefix("at_").split("_")))] = weight
    return kernel


def test_a_kernel_of_one_weight_moves_and_scales_the_distance_from_the_middle():
    red = np.full((1, 2, 2, 3), 127.5)
    red[0, ..., 0] = [[10, 20], [30, 40]]
    shifted = _apply(red, _kernel(at_1_2_0_1=1.0), [0.0])  # green becomes the red to the right, repeated at the edge
    np.testing.assert_allclose(shifted[0, ..., 1], [[20, 20], [40, 40]], atol=1e-4)
    np.testing.assert_allclose(shifted[0, ..., 0], np.full((2, 2), 127.5), atol=1e-4)  # weights of 0: the middle
    upwards = _apply(red, _kernel(at_0_1_0_2=-0.5), [0.0])  # blue: half the distance of the red above, inverted
    np.testing.assert_allclose(upwards[0, ..., 2], [[186.25, 181.25], [186.25, 181.25]], atol=1e-4)


def test_the_image_itself_has_its_share():
    red = np.full((2, 1, 1, 3), 127.5)
    red[..., 0] = 27.5
    kernels = np.repeat(_kernel(at_1_1_0_0=-1.0), 2, axis=0)
    result = _apply(red, kernels, [0.75, 0.25])[:, 0, 0, 0]
    np.testing.assert_allclose(result, [0.75 * 27.5 + 0.25 * 227.5, 0.25 * 27.5 + 0.75 * 227.5], atol=1e-4)


def test_pixels_are_cut_to_their_range():
    white = np.full((1, 3, 3, 3), 255.0)
    assert _apply(white, _kernel(at_1_1_0_0=2.0), [0.0]).max() == 255.0
    assert _apply(white, _kernel(at_1_1_0_0=-2.0), [0.0]).min() == 0.0


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_tensorflows_convolution_with_repeated_edges(channels):
    generator = np.random.default_rng(0)
    kernel, keep = generator.normal(0, 0.05, (6, 3, 3, 3, 3)), generator.random(6)
    images = _NOISE[..., :channels].astype(np.float32)
    padded = np.pad(images - 127.5, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
    own = kernel[..., :channels, :channels] * (3 / channels) ** 0.5
    convolved = [tf.nn.conv2d(padded[k : k + 1], own[k].astype(np.float32), 1, "VALID") + 127.5 for k in range(6)]
    share = keep[:, None, None, None]
    expected = np.clip(share * images + (1 - share) * np.concatenate(convolved), 0, 255)
    np.testing.assert_allclose(_apply(images, kernel, keep), expected, atol=1e-3)


def test_images_that_are_not_chosen_change_no_bit():
    fractions = _NOISE / np.float32(7)
    for images in (_NOISE, fractions):
        for wrap in (lambda f: f, lambda f: tf.function(f, autograph=False, jit_compile=True)):
            layer = RandomConvolution(0.0)
            result = wrap(lambda x, layer=layer: layer.apply(x, layer.sample(6, 12, 10, (1, 2))))(tf.constant(images))
            np.testing.assert_array_equal(result, images.astype(np.float32))


def test_weights_are_normal_with_the_variance_that_keeps_that_of_the_pixels():
    drawn = RandomConvolution(1.0).sample(500, 8, 8, (1, 2))["kernel"].numpy()
    assert drawn.shape == (500, 3, 3, 3, 3)
    assert stats.kstest(drawn.ravel(), stats.norm(scale=27**-0.5).cdf).pvalue > 0.001
    noise = np.random.default_rng(1).normal(127.5, 10, (500, 16, 16, 3))
    variance = _apply(noise, drawn, np.zeros(500))[:, 1:-1, 1:-1].var()
    assert variance == pytest.approx(100, rel=0.1)


def test_kernels_of_images_and_their_weights_are_unrelated():
    drawn = RandomConvolution(1.0).sample(4_000, 8, 8, (1, 2))["kernel"].numpy().reshape(4_000, 81)
    correlation = np.corrcoef(drawn.T) - np.eye(81)
    assert np.abs(correlation).max() < 0.08  # 5 / sqrt(4000)
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.01


def test_the_share_is_uniform_and_probability_that_of_changed_images():
    drawn = RandomConvolution(0.5).sample(20_000, 8, 8, (1, 2))["keep"].numpy()
    assert np.mean(drawn < 1) == pytest.approx(0.5, abs=0.015)
    assert stats.kstest(drawn[drawn < 1], "uniform").pvalue > 0.001


def test_normal_numbers_are_finite_at_the_ends_of_what_is_drawn():
    ends = tf.constant([0.0, 1 - 2**-24])
    assert np.isfinite(normal(ends, ends)).all()
    drawn = normal(*tf.unstack(uniform([2, 50_000], (1, 2))))
    assert stats.kstest(drawn, "norm").pvalue > 0.001


def test_eager_and_compiled_draw_and_convolve_alike():
    layer, seed = RandomConvolution(0.8), tf.constant([4, 5])

    def convolve(seed):
        return layer.apply(_NOISE, layer.sample(6, 12, 10, seed))

    np.testing.assert_allclose(
        tf.function(convolve, autograph=False, jit_compile=True)(seed), convolve(seed), atol=0.01
    )


def test_the_layer_is_itself_after_loading_and_idle_outside_training():
    layer = RandomConvolution(0.3, seed=2)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(_NOISE), _NOISE)


def test_a_bad_probability_is_named():
    with pytest.raises(UserError, match=r"probability must be one number from 0 to 1, got 2"):
        RandomConvolution(2)
