"""Background mixing: the middle stays, the border is the partner's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from ftdata.augment.augmentation import Augmentation
from ftdata.augment.background import BackgroundMixing
from ftdata.config import AugmentConfig
from ftdata.errors import UserError

_NOISE = np.random.default_rng(3).integers(0, 256, (8, 20, 30, 3), np.uint8)


def _mixed(images, *radius):
    return BackgroundMixing().apply(images, {"radius": tf.constant(radius)}).numpy()


def test_shares_fall_evenly_from_the_radius_on():
    # centres of ten columns, in half sides: -0.9, -0.7, ... 0.9; from 0.5 on the share falls by 1 / 3 in 0.1
    row = np.stack([np.full((1, 10, 1), level, np.uint8) for level in (30, 0)])
    result = _mixed(row, 0.5, 0.6)[..., 0]
    np.testing.assert_allclose(result[0, 0], [0, 10, 30, 30, 30, 30, 30, 30, 10, 0], atol=1e-4)
    np.testing.assert_allclose(result[1, 0], [30, 10, 0, 0, 0, 0, 0, 0, 10, 30], atol=1e-4)  # at 0.7 a third


def test_the_kept_part_is_an_ellipse_of_the_image():
    own, other = np.ones((1, 40, 80, 1), np.float32), np.zeros((1, 40, 80, 1), np.float32)
    share = _mixed(np.concatenate([own, other]), 0.6, 2.0)[0, ..., 0]
    rows, columns = (np.arange(40)[:, None] - 19.5) / 20, (np.arange(80)[None] - 39.5) / 40
    distance = np.hypot(rows, columns)
    assert (share[distance < 0.6 - 1e-6] == 1).all()
    assert (share[distance > 0.9 + 1e-6] == 0).all()
    np.testing.assert_allclose(share, np.clip((0.9 - distance) / 0.3, 0, 1), atol=1e-5)


def test_images_that_are_not_chosen_change_no_bit():
    layer = BackgroundMixing(0.0, seed=1)
    np.testing.assert_array_equal(layer(_NOISE, training=True), _NOISE.astype(np.float32))
    one = _mixed(_NOISE, *[2.0] * 7, 0.5)
    np.testing.assert_array_equal(one[:7], _NOISE[:7])
    assert not np.array_equal(one[7], _NOISE[7])


def test_radii_are_uniform_and_probability_is_the_share_of_mixed_images():
    drawn = BackgroundMixing(0.4).sample(20_000, 8, 8, (1, 2))["radius"].numpy()
    mixed = drawn[drawn < 2]
    assert len(mixed) / len(drawn) == pytest.approx(0.4, abs=0.015)
    assert stats.kstest(mixed, stats.uniform(0.5, 0.4).cdf).pvalue > 0.001


def test_a_pair_is_mixed_alike_on_one_device_and_on_several_and_labels_keep_their_weight():
    augmentation = Augmentation(AugmentConfig(background_mixing=0.7), seed=4)
    images, slots, step = tf.constant(_NOISE), tf.range(8), tf.constant(3)
    whole = augmentation(images, slots, step=step, global_batch=8)
    parts = [augmentation(images[k], slots[k], step=step, global_batch=8) for k in (slice(2), slice(2, 8))]
    np.testing.assert_array_equal(whole.images, np.concatenate([part.images for part in parts]))
    assert whole.share is None
    with pytest.raises(ValueError, match="batch_size must be even on each device .* got 3 a device"):
        augmentation(images[:3], slots[:3], step=step, global_batch=8)


def test_eager_and_compiled_draw_and_mix_alike():
    layer, seed = BackgroundMixing(0.7), tf.constant([4, 5])

    def mix(seed):
        return layer.apply(_NOISE, layer.sample(8, 20, 30, seed))

    np.testing.assert_allclose(tf.function(mix, autograph=False, jit_compile=True)(seed), mix(seed), atol=0.01)


def test_the_layer_is_itself_after_loading_and_idle_outside_training():
    layer = BackgroundMixing(0.3, seed=2)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(_NOISE), _NOISE)


def test_a_bad_probability_is_named():
    with pytest.raises(UserError, match=r"probability must be one number from 0 to 1, got 'often'"):
        BackgroundMixing("often")
