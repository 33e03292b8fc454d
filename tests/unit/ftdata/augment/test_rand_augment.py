"""RandAugment: each operation is that of PIL, without its rounding, and each image draws its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

from ftdata.augment.rand_augment import OPERATIONS, RandAugment
from ftdata.errors import UserError

_NOISE = np.random.default_rng(3).integers(40, 200, (6, 12, 10, 3), np.uint8)


def _apply(images, *operations, factor=1.0, magnitude=9.0):
    """The images, each changed by one of `operations` after another."""
    places = [[OPERATIONS.index(name) for name in operations]] * len(images)
    parameters = {"operation": tf.constant(places), "factor": tf.fill([len(images), len(operations)], factor)}
    return RandAugment(len(operations), magnitude).apply(images, parameters).numpy()


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        ("identity", {"factor": 1.9}, [[200, 100, 0], [40, 40, 40]]),
        ("autocontrast", {}, [[255, 255, 0], [0, 0, 255]]),  # each channel has two levels
        ("brightness", {"factor": 0.5}, [[100, 50, 0], [20, 20, 20]]),
        ("saturation", {"factor": 1.5}, [[240.75, 90.75, 0], [40, 40, 40]]),  # 1.5 x - 0.5 * 118.5
        ("contrast", {"factor": 2.0}, [[255, 120.75, 0], [0.75] * 3]),  # 2 x - 79.25
        # of red, with edges repeated: (4 * 200 + 6 * 200 + 3 * 40) / 13 = 163.08 and (4 * 40 + 6 * 40 + 3 * 200) / 13
        ("sharpness", {"factor": 0.0}, [[2120 / 13, 1120 / 13, 120 / 13], [1000 / 13, 700 / 13, 400 / 13]]),
        ("posterize", {"magnitude": 30.0}, [[192, 96, 0], [32, 32, 32]]),  # 4 bits: steps of 16
        ("posterize", {"magnitude": 9.0}, [[200, 100, 0], [40, 40, 40]]),  # 7 bits: steps of 2
        ("solarize", {"magnitude": 18.75}, [[55, 155, 0], [40, 40, 40]]),  # from 96 on
    ],
)
def test_each_operation_gives_the_literal_pixels(operation, arguments, expected):
    pixels = np.array([200, 100, 0, 40, 40, 40], np.uint8).reshape(1, 1, 2, 3)
    np.testing.assert_allclose(_apply(pixels, operation, **arguments)[0, 0], expected, atol=1e-3)


@pytest.mark.parametrize("factor", [0.1, 0.73, 1.27, 1.9])
@pytest.mark.parametrize(
    ("operation", "enhance"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("saturation", ImageEnhance.Color),
        ("contrast", ImageEnhance.Contrast),
        ("sharpness", ImageEnhance.Sharpness),
    ],
)
def test_blends_are_those_of_pil(operation, enhance, factor):
    expected = np.asarray(enhance(Image.fromarray(_NOISE[0])).enhance(factor), np.float32)
    difference = np.abs(_apply(_NOISE[:1], operation, factor=factor)[0] - expected)
    assert difference[1:-1, 1:-1].max() <= 1.6  # it rounds; its SMOOTH leaves the edge alone


@pytest.mark.parametrize("magnitude", [0, 4, 9, 20, 30])
def test_the_others_are_those_of_pil_at_the_magnitudes_of_torchvision(magnitude):
    image = Image.fromarray(_NOISE[0])
    bits = 8 - round(magnitude / 30 * 4)
    expected = {
        "autocontrast": ImageOps.autocontrast(image),
        "posterize": ImageOps.posterize(image, bits),
        "solarize": ImageOps.solarize(image, round(256 * (1 - magnitude / 30) + 0.499)),
    }
    for name, theirs in expected.items():
        ours = _apply(_NOISE[:1], name, magnitude=float(magnitude))[0]
        assert np.abs(ours - np.asarray(theirs, np.float32)).max() <= 1.0, name  # autocontrast rounds down


def test_a_plain_image_has_no_contrast_to_stretch():
    plain = np.full((1, 4, 4, 3), 80.0, np.float32) + np.linspace(0, 0.5, 16, dtype=np.float32).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(_apply(plain, "autocontrast"), plain)  # levels of a warp are not whole


def test_operations_come_one_after_the_other():
    both = _apply(_NOISE, "contrast", "solarize", factor=1.5, magnitude=15.0)
    first = _apply(_NOISE, "contrast", factor=1.5)
    np.testing.assert_array_equal(both, _apply(first, "solarize", magnitude=15.0))
    assert not np.array_equal(both, _apply(_apply(_NOISE, "solarize", magnitude=15.0), "contrast", factor=1.5))


def test_each_image_has_operations_of_its_own():
    operations = tf.constant([[OPERATIONS.index("brightness")], [OPERATIONS.index("identity")]])
    result = RandAugment(1).apply(_NOISE[:2], {"operation": operations, "factor": tf.fill([2, 1], 0.5)}).numpy()
    np.testing.assert_array_equal(result[0], _NOISE[0] / 2)
    np.testing.assert_array_equal(result[1], _NOISE[1])


def test_operations_are_as_likely_as_each_other_and_so_are_the_two_factors():
    drawn = RandAugment(2, 10.0).sample(20_000, 8, 8, (1, 2))
    operation, factor = drawn["operation"].numpy(), drawn["factor"].numpy()
    assert operation.shape == factor.shape == (20_000, 2)
    counts = np.array([np.bincount(column, minlength=8) for column in operation.T])
    assert stats.chisquare(counts, axis=1).pvalue.min() > 0.001
    assert counts.shape == (2, len(OPERATIONS))
    np.testing.assert_allclose(np.unique(factor), [0.7, 1.3], rtol=1e-6)
    assert np.mean(factor > 1) == pytest.approx(0.5, abs=0.01)
    assert np.mean(operation[:, 0] == operation[:, 1]) == pytest.approx(1 / 8, abs=0.01)


def test_without_magnitude_only_autocontrast_changes_anything():
    layer = RandAugment(3, 0)
    drawn = layer.sample(6, 12, 10, (3, 4))
    calm = tf.where(drawn["operation"] == OPERATIONS.index("autocontrast"), 0, drawn["operation"])
    fractions = _NOISE / np.float32(1.5)
    np.testing.assert_array_equal(layer.apply(fractions, {**drawn, "operation": calm}), fractions)


def test_eager_and_compiled_draw_and_change_alike():
    layer, seed = RandAugment(2, 20), tf.constant([4, 5])

    def change(seed):
        return layer.apply(_NOISE, layer.sample(6, 12, 10, seed))

    difference = np.abs(tf.function(change, autograph=False, jit_compile=True)(seed) - change(seed))
    assert np.mean(difference > 0.01) < 0.001  # a product within rounding of a step may fall on the other side


def test_images_of_one_channel_have_no_saturation_to_change():
    np.testing.assert_array_equal(_apply(_NOISE[..., :1], "saturation", factor=1.0), _NOISE[..., :1])
    np.testing.assert_allclose(_apply(_NOISE[..., :1], "saturation", factor=0.3), _NOISE[..., :1], atol=1e-3)


def test_the_layer_is_itself_after_loading_and_idle_outside_training():
    layer = RandAugment(3, 7, seed=2)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(_NOISE), _NOISE)


@pytest.mark.parametrize(("arguments", "message"), [((0, 9), "count"), ((1.5, 9), "count"), ((2, 31), "magnitude")])
def test_bad_numbers_are_named(arguments, message):
    with pytest.raises(UserError, match=f"^{message} must be"):
        RandAugment(*arguments)
