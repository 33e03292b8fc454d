"""Random resized crop: PIL's resize of a box, in the same read as the warp."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import stats

from ftdata.augment import affine
from ftdata.augment.random_affine import RandomAffine
from ftdata.augment.resized_crop import RandomResizedCrop
from ftdata.errors import UserError

_NOISE = np.random.default_rng(3).integers(0, 256, (12, 24, 32, 3), np.uint8)


def _parameters(count=1, **given):
    neutral = {name: np.zeros(count) for name in affine.PARAMETERS} | {"zx": np.ones(count), "zy": np.ones(count)}
    return neutral | {name: np.array(value) for name, value in given.items()}


def _crop(top, left, height, width):
    return {"crop_top": [top], "crop_left": [left], "crop_height": [height], "crop_width": [width]}


def test_a_crop_reads_between_the_pixels():
    image = np.add.outer(10.0 * np.arange(4), np.arange(4)).reshape(1, 4, 4, 1)  # row * 10 + column
    result = RandomResizedCrop().apply(image, _parameters(**_crop(1, 2, 2, 2)))
    rows, columns = [0.75, 1.25, 1.75, 2.25], [1.75, 2.25, 2.75, 3.0]  # not beyond the last pixel
    np.testing.assert_allclose(result[0, ..., 0], np.add.outer(10 * np.array(rows), columns), rtol=1e-6)
    flipped = RandomResizedCrop().apply(image, _parameters(**_crop(1, 2, 2, 2), flip_horizontal=[True]))
    np.testing.assert_allclose(flipped[0, ..., 0], np.add.outer(10 * np.array(rows), columns[::-1]), rtol=1e-6)


@pytest.mark.parametrize("size", [None, (40, 36)])
def test_a_crop_is_pils_resize_of_the_box(size):
    layer = RandomResizedCrop(output_size=size)
    parameters = layer.sample(12, 24, 32, (1, 2))
    result = tf.function(layer.apply, autograph=False, jit_compile=True)(_NOISE, parameters)
    height, width = size or (24, 32)
    for number, image in enumerate(_NOISE):
        top, left, tall, wide = (parameters[name][number].numpy() for name in affine.CROP)
        box = (left, top, min(left + wide, 32), min(top + tall, 24))
        grey = Image.fromarray(image[..., 0].astype(np.float32))
        expected = np.asarray(grey.resize((width, height), Image.Resampling.BILINEAR, box=box))
        assert np.abs(result[number, ..., 0] - expected).max() <= 0.05


def test_the_crop_is_taken_from_the_warped_image():
    shifted = RandomAffine().apply(_NOISE[:1], _parameters(tx=[3.0], ty=[-2.0]))
    one_after_the_other = RandomResizedCrop().apply(shifted, _parameters(**_crop(2.5, 4.0, 15.0, 20.0)))
    at_once = RandomResizedCrop().apply(_NOISE[:1], _parameters(tx=[3.0], ty=[-2.0], **_crop(2.5, 4.0, 15.0, 20.0)))
    np.testing.assert_allclose(at_once, one_after_the_other, atol=0.01)


@pytest.mark.parametrize("fill_mode", affine.FILL_MODES)
def test_the_edge_of_a_crop_shows_no_fill(fill_mode):
    layer = RandomResizedCrop(0.1, fill_mode=fill_mode, cval=0.0, seed=1)
    np.testing.assert_allclose(layer(np.full((8, 24, 24, 3), 200, np.uint8), training=True), 200, rtol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(100, 100), (100, 130)])
def test_area_is_uniform_and_aspect_between_three_quarters_and_four_thirds(height, width):
    drawn = RandomResizedCrop(0.2).sample(10_000, height, width, (1, 2))
    top, left, tall, wide = (drawn[name].numpy().astype(np.float64) for name in affine.CROP)
    assert stats.kstest(tall * wide / (height * width), stats.uniform(0.2, 0.8).cdf).pvalue > 0.001
    assert (wide / tall).min() >= 0.75 - 1e-4
    assert (wide / tall).max() <= 4 / 3 + 1e-4
    assert min(top.min(), left.min()) >= 0
    assert (top + tall).max() <= height + 1e-3
    assert (left + wide).max() <= width + 1e-3


def test_the_other_parameters_are_random_affines():
    settings = {"rotation_range": 90, "zoom_range": (0.5, 2.0), "horizontal_flip": True}
    crop = RandomResizedCrop(0.2, **settings).sample(50, 30, 30, (3, 4))
    for name, value in RandomAffine(**settings).sample(50, 30, 30, (3, 4)).items():
        np.testing.assert_array_equal(crop[name], value)
    assert abs(np.corrcoef(crop["theta"], crop["crop_top"])[0, 1]) < 0.5  # drawn from other numbers


def test_a_least_area_of_one_is_the_whole_square_bit_for_bit():
    images = _NOISE[:, :, :24]
    np.testing.assert_array_equal(RandomResizedCrop(1.0, seed=1)(images, training=True), images.astype(np.float32))


def test_eager_and_compiled_crop_alike():
    layer, seed = RandomResizedCrop(0.1, rotation_range=30, horizontal_flip=True), tf.constant([4, 5])

    def crop(seed):
        return layer.apply(_NOISE, layer.sample(12, 24, 32, seed))

    np.testing.assert_allclose(tf.function(crop, autograph=False, jit_compile=True)(seed), crop(seed), atol=0.05)


def test_the_layer_is_itself_after_loading_and_idle_outside_training():
    layer = RandomResizedCrop(0.3, rotation_range=20, seed=2)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(_NOISE), _NOISE)


@pytest.mark.parametrize("area", [0, 1.5, True])
def test_a_bad_area_is_named(area):
    with pytest.raises(UserError, match="minimal_area must be one number above 0 and up to 1"):
        RandomResizedCrop(area)
