"""How deep a layer lies below the head, in twelfths of its base."""

import itertools

import keras
import pytest

from trainers.config import PHASES, ModelConfig
from trainers.models.classifier import base_of, build_classifier
from trainers.models.depth import depths, rate_factors
from trainers.models.layer_names import layers_of
from trainers.models.trainable import set_trainable


def _by_name(base):
    found = depths(base)
    return {layer.name: found[id(layer)] for layer in layers_of(base)}


def _convolution(name, x):
    return keras.layers.Conv2D(4, 3, padding="same", name=name)(x)


def test_twelve_layers_with_kernels_are_twelve_blocks():
    inputs = x = keras.Input((8, 8, 3))
    for number in range(12):
        x = _convolution(f"conv{number}", x)
        x = keras.layers.ReLU(name=f"relu{number}")(keras.layers.BatchNormalization(name=f"norm{number}")(x))
    found = _by_name(keras.Model(inputs, x))
    for number in range(12):
        assert {found[f"{kind}{number}"] for kind in ("conv", "norm", "relu")} == {12 - number}


def test_branches_count_along_the_longest_path_and_models_inside_layer_by_layer():
    inputs = x = keras.Input((8, 8, 3))
    x = _convolution("stem", x)
    inner_input = keras.Input((8, 8, 4))
    inner = keras.Model(inner_input, _convolution("inner2", _convolution("inner1", inner_input)), name="inner")
    x = keras.layers.Add(name="add")([inner(x), _convolution("shortcut", x)])
    base = keras.Model(inputs, _convolution("last", x))
    found = _by_name(base)
    # four layers one after the other: 10, 7, 4 and 1
    assert [found[name] for name in ("stem", "inner1", "inner2", "last")] == [10, 7, 4, 1]
    assert (found["shortcut"], found["add"]) == (7, 4)


@pytest.mark.parametrize("name", ["vgg_nano", pytest.param("MobileNetV2", marks=pytest.mark.slow)])
def test_a_base_is_twelve_deep_at_the_pixels_and_one_at_the_head(name):
    arguments = {"alpha": 0.35} if name == "MobileNetV2" else {}
    config = ModelConfig(name, weights="none", backbone_args=arguments, train_batch_norm=True)
    network = build_classifier(config, num_classes=3, image_size=32, policy="float32")
    found = _by_name(base_of(network))
    first, last = {"vgg_nano": ("block1_conv1", "block5_conv2"), "MobileNetV2": ("Conv1", "out_relu")}[name]
    assert (found[first], found[last]) == ({"vgg_nano": 11, "MobileNetV2": 12}[name], 1)  # the one has 8 convolutions
    in_order = [found[layer.name] for layer in base_of(network).layers]
    assert all(one >= other for one, other in itertools.pairwise(in_order))


def test_rates_fall_by_the_decay_with_each_twelfth():
    config = ModelConfig("vgg_nano", weights="none", pooling="avg")
    network = build_classifier(config, num_classes=3, image_size=32, policy="float32")
    set_trainable(network, PHASES["finetune"], config, unfreeze=("block4", "block5"))
    factors = rate_factors(network, 0.5)
    # kernels and biases of block4_conv1, block4_conv2, block5_conv1, block5_conv2, logits: 5, 4, 2, 1 and 0 deep
    assert factors == [2.0**-depth for depth in (5, 5, 4, 4, 2, 2, 1, 1, 0, 0)]
