"""--channels: the first convolution made for other channels than red, green and blue."""

import keras
import numpy as np
import pytest

from ftdata.errors import UserError
from trainers.config import ModelConfig
from trainers.models import widened
from trainers.models.classifier import build_classifier, features_of

_SIDE = 71  # the least that Xception takes
_NETWORKS = [
    "VGG16",
    "ResNet50",
    "ResNet50V2",
    "DenseNet121",
    "MobileNetV2",
    "MobileNetV3Small",
    "EfficientNetB0",
    "EfficientNetV2B0",
]
_NETWORKS += ["ConvNeXtTiny", "NASNetMobile", "Xception", "EfficientNetLite0"]
_RGB = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("channels", range(1, 17))
def test_the_kernels_of_all_channels_have_the_sum_of_the_three(channels):
    made = widened.kernel(_RGB, channels)
    assert made.shape == (3, 3, channels, 4)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made.sum(axis=2), _RGB.sum(axis=2), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 6, 9])
def test_where_three_divides_the_channels_and_for_one_the_rule_is_that_of_timm(channels):
    # adapt_input_conv: the sum for one; else repeated, cut to the number of channels and scaled by 3 / channels
    repeated = np.tile(_RGB, (1, 1, -(-channels // 3), 1))[:, :, :channels] * (3 / channels)
    expected = _RGB.sum(axis=2, keepdims=True) if channels == 1 else repeated
    np.testing.assert_allclose(widened.kernel(_RGB, channels), expected, atol=1e-6)


def test_five_channels_share_the_kernels_of_the_colours():
    made = widened.kernel(_RGB, 5)
    halves = [_RGB[:, :, 0] / 2, _RGB[:, :, 1] / 2, _RGB[:, :, 2], _RGB[:, :, 0] / 2, _RGB[:, :, 1] / 2]
    np.testing.assert_array_equal(made, np.stack(halves, axis=2))
    np.testing.assert_array_equal(widened.kernel(_RGB[:, :, ::-1], 5, is_bgr=True), made)


def test_the_constants_of_channels_are_those_of_their_colours_or_of_few_the_mean():
    assert widened.of_channels((1, 2, 6), 5) == [1, 2, 6, 1, 2]
    assert widened.of_channels((1, 2, 6), 2) == [3, 3]


def _grey_gives_what_it_gives_in_rgb(config, channels, *, side, atol):
    rgb = build_classifier(config, num_classes=2, image_size=side, policy="float32")
    other = build_classifier(config, num_classes=2, image_size=side, policy="float32", channels=channels)
    assert other.input_shape == (None, side, side, channels)
    grey = np.random.default_rng(1).integers(0, 256, (2, side, side, 1)).astype(np.float32)
    expected = features_of(rgb)(grey.repeat(3, axis=-1), training=False)
    found = features_of(other)(grey.repeat(channels, axis=-1), training=False)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, atol=atol * scale)
    assert float(np.abs(expected).max()) > 0
    return rgb, other


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 16])
@pytest.mark.parametrize("mode", ["backbone", "rescale"])
def test_a_grey_image_gives_what_it_gives_in_rgb(channels, mode):
    config = ModelConfig("vgg_nano", weights="objects", preprocessing=mode)
    rgb, other = _grey_gives_what_it_gives_in_rgb(config, channels, side=32, atol=1e-5)
    assert [layer.name for layer in other.layers] == [layer.name for layer in rgb.layers]
    first, widened_first = (
        model.get_layer("vgg_nano").get_layer("block1_conv1").kernel.numpy() for model in (rgb, other)
    )
    np.testing.assert_array_equal(widened_first, widened.kernel(first, channels))


def _trained_as(name, tmp_path):
    """A file of weights of an RGB network, none of them as constructors leave them."""
    from trainers.models import backbones

    network = backbones.create(name, image_size=_SIDE, weights="none", policy="float32")
    generator = np.random.default_rng(2)
    for layer in network.layers:  # kernels are random as they are
        moved = [
            np.abs(generator.normal(0, 0.05, np.shape(value))) * (np.ndim(value) < 2) for value in layer.get_weights()
        ]
        layer.set_weights([value + more for value, more in zip(layer.get_weights(), moved, strict=True)])
    path = tmp_path / "rgb.weights.h5"
    network.save_weights(path)
    return str(path)


@pytest.mark.slow  # one network of each preprocessing; vgg_nano above
@pytest.mark.parametrize("name", _NETWORKS)
def test_every_kind_of_preprocessing_suits_the_channels(name, tmp_path):
    config = ModelConfig(name, weights=_trained_as(name, tmp_path))
    _grey_gives_what_it_gives_in_rgb(config, 5, side=_SIDE, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["EfficientNetB0", "MobileNetV3Small"])
def test_rescaled_pixels_take_the_place_of_preprocessing_inside(name, tmp_path):
    config = ModelConfig(name, weights=_trained_as(name, tmp_path), preprocessing="rescale")
    _grey_gives_what_it_gives_in_rgb(config, 5, side=_SIDE, atol=1e-4)


def test_random_weights_are_drawn_for_the_channels():
    config = ModelConfig("vgg_nano", weights="none")
    keras.utils.set_random_seed(3)
    model = build_classifier(config, num_classes=2, image_size=32, policy="float32", channels=12)
    kernel = model.get_layer("vgg_nano").get_layer("block1_conv1").kernel.numpy()
    assert kernel.shape == (3, 3, 12, 16)
    assert abs(kernel.std() - (2 / (9 * 12)) ** 0.5) < 0.02  # He's, of 12 channels


def test_a_saved_backbone_of_these_channels_is_taken_and_one_of_others_refused(tmp_path):
    path = str(tmp_path / "five.keras")
    entry = keras.Input((32, 32, 5))
    maps = keras.layers.Conv2D(4, 3, name="own")(entry)
    keras.Model(entry, maps, name="five").save(path)
    config = ModelConfig(path)
    made = build_classifier(config, num_classes=2, image_size=32, policy="float32", channels=5)
    assert made.get_layer("five").get_layer("own").kernel.shape == (3, 3, 5, 4)
    for channels in (3, 4):
        with pytest.raises(UserError, match=rf"channels={channels} does not fit .*, whose input shape is .* 5\)"):
            build_classifier(config, num_classes=2, image_size=32, policy="float32", channels=channels)
    nested = str(tmp_path / "nested.keras")
    build_classifier(ModelConfig("vgg_nano", weights="none"), num_classes=2, image_size=32, policy="float32").save(
        nested
    )
    with pytest.raises(UserError, match="its first convolution cannot be widened; name a backbone"):
        build_classifier(ModelConfig(nested), num_classes=2, image_size=32, policy="float32", channels=5)
    depthwise = str(tmp_path / "depthwise.keras")
    entry = keras.Input((32, 32, 3))
    maps = keras.layers.SeparableConv2D(4, 3, name="own")(entry)
    keras.Model(entry, maps, name="separable").save(depthwise)
    with pytest.raises(UserError, match="own, which reads the channels, is no plain convolution"):
        build_classifier(ModelConfig(depthwise), num_classes=2, image_size=32, policy="float32", channels=5)
