"""Hue: a rotation about the grey axis."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.spatial.transform import Rotation

from ftdata.augment.hue import RandomHue, rotation
from ftdata.errors import UserError

_NOISE = np.random.default_rng(3).integers(0, 256, (6, 12, 10, 3), np.uint8)


def _turned(pixels, *angles):
    parameters = {"rotation": rotation(tf.constant(angles, tf.float32))}
    return RandomHue().apply(np.array(pixels, np.float32), parameters).numpy()


@pytest.mark.parametrize(
    ("angle", "expected"),
    [
        (0.0, [[200, 100, 0], [40, 40, 40]]),
        (120.0, [[0, 200, 100], [40, 40, 40]]),  # red is now where green was
        (-120.0, [[100, 0, 200], [40, 40, 40]]),
        (180.0, [[0, 100, 200], [40, 40, 40]]),  # 2 * 100 - each: half a turn mirrors at the mean
        (90.0, [[100 - 100 / 3**0.5, 100 + 200 / 3**0.5, 100 - 100 / 3**0.5], [40, 40, 40]]),
    ],
)
def test_an_angle_gives_the_literal_pixels(angle, expected):
    np.testing.assert_allclose(_turned([[[[200, 100, 0], [40, 40, 40]]]], angle)[0, 0], expected, atol=1e-3)


def test_pixels_are_cut_to_their_range():
    bright = _turned([[[[255, 255, 0]]]], 60.0)[0, 0, 0]  # yellow turned by 60 degrees: (85, 340, 85)
    np.testing.assert_allclose(bright, [85, 255, 85], atol=1e-3)


def test_the_matrix_is_a_rotation_about_the_grey_axis():
    angles = [-170.0, -33.0, 5.0, 90.0]
    of_red = rotation(tf.constant(angles)).numpy()
    ours = np.stack([np.roll(of_red, k, axis=1) for k in range(3)], axis=-1)
    axis = np.ones(3) / 3**0.5
    np.testing.assert_allclose(ours, Rotation.from_rotvec(np.radians(angles)[:, None] * axis).as_matrix(), atol=1e-6)


def test_every_grey_stays_and_so_does_the_sum_of_the_channels():
    greys = np.repeat(np.arange(256.0)[:, None], 3, axis=1).reshape(1, 16, 16, 3)
    for angle in (17, 90, -120, 180):
        np.testing.assert_allclose(_turned(greys, angle), greys, atol=1e-3)
    pale = 100 + _NOISE[:4] / 8  # so that nothing is cut
    np.testing.assert_allclose(_turned(pale, 17, 90, -120, 180).sum(-1), pale.sum(-1), atol=1e-3)


def test_a_largest_angle_of_zero_changes_no_bit():
    np.testing.assert_array_equal(RandomHue(0.0, seed=1)(_NOISE, training=True), _NOISE.astype(np.float32))


def test_angles_are_uniform_either_way():
    red, green, blue = RandomHue(90.0).sample(20_000, 8, 8, (1, 2))["rotation"].numpy().astype(np.float64).T
    angle = np.degrees(np.arctan2((green - blue) * 3**0.5 / 2, (3 * red - 1) / 2))
    assert stats.kstest(angle, stats.uniform(-90, 180).cdf).pvalue > 0.001


def test_eager_and_compiled_draw_and_turn_alike():
    layer, seed = RandomHue(180.0), tf.constant([4, 5])

    def turn(seed):
        return layer.apply(_NOISE, layer.sample(6, 12, 10, seed))

    np.testing.assert_allclose(tf.function(turn, autograph=False, jit_compile=True)(seed), turn(seed), atol=0.01)


def test_images_of_one_channel_have_no_hue():
    np.testing.assert_array_equal(RandomHue(180.0)(_NOISE[..., :1], training=True), _NOISE[..., :1])


def test_the_layer_is_itself_after_loading_and_idle_outside_training():
    layer = RandomHue(45.0, seed=2)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(_NOISE), _NOISE)


@pytest.mark.parametrize("angle", [-1, 180.5, True, "much"])
def test_a_bad_angle_is_named(angle):
    with pytest.raises(UserError, match="largest_angle must be"):
        RandomHue(angle)
