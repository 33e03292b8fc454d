"""Floating-point operations of small models, counted by hand."""

import keras
import pytest

from benchmarks.harness import flops

_layers = keras.layers
_CONV, _DEPTHWISE, _DENSE = 2 * 3 * 3 * 3 * 4 * 64, 2 * 3 * 3 * 4 * 16, 2 * 4 * 5


@pytest.fixture
def network():
    """8x8x3 -> conv 3x3 to 4 channels -> depthwise 3x3, stride 2 -> pooling -> dense to 5, in a nested base."""
    inputs = keras.Input((8, 8, 3))
    x = _layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    x = _layers.BatchNormalization(name="norm")(x)
    x = _layers.DepthwiseConv2D(3, strides=2, padding="same", name="depthwise")(x)
    base = keras.Model(inputs, x, name="base")
    pixels = keras.Input((8, 8, 3))
    x = _layers.GlobalAveragePooling2D()(base(pixels))
    return keras.Model(pixels, _layers.Dense(5, name="dense")(x))


def test_forward_counts_multiplications_and_additions(network):
    assert flops.forward(network) == _CONV + _DEPTHWISE + _DENSE


def test_a_frozen_base_costs_its_forward_pass_alone(network):
    network.get_layer("base").trainable = False
    assert flops.training(network) == _CONV + _DEPTHWISE + 2 * _DENSE  # no gradient passes through the dense layer


def test_gradients_pass_through_frozen_layers_behind_trained_ones(network):
    base = network.get_layer("base")
    for name, trainable in (("conv", True), ("norm", False), ("depthwise", False)):
        base.get_layer(name).trainable = trainable
    # conv: weights' gradient, none to the image; depthwise: passed through; dense: both
    assert flops.training(network) == 2 * _CONV + 2 * _DEPTHWISE + 3 * _DENSE


def test_separable_and_grouped_convolutions_count_their_kernels():
    inputs = keras.Input((8, 8, 4))
    model = keras.Model(inputs, _layers.SeparableConv2D(6, 3, padding="same")(inputs))
    assert flops.forward(model) == 2 * (3 * 3 * 4 + 4 * 6) * 64
    model = keras.Model(inputs, _layers.Conv2D(6, 3, padding="valid", groups=2)(inputs))
    assert flops.forward(model) == 2 * 3 * 3 * 2 * 6 * 36


def test_vgg16_takes_30_gflop_per_image():
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(224, 224, 3))
    assert flops.forward(base) / 1e9 == pytest.approx(30.69, abs=0.01)
