"""Backbones: the right preprocessing, sizes, parameters and messages."""

import importlib
import inspect
import re
import sys

import keras
import numpy as np
import pytest

from trainers.models import backbones, bfloat16, constructors, folding, loading, preprocessing

# One constructor of each module of Keras Applications that is cheap to name (none is built here).
_FAMILIES = (
    *("VGG16", "VGG19", "ResNet50", "ResNet50V2", "InceptionV3", "InceptionResNetV2", "Xception", "MobileNet"),
    *("MobileNetV2", "MobileNetV3Small", "NASNetMobile", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0"),
    "ConvNeXtTiny",
)


@pytest.mark.parametrize("name", _FAMILIES)
def test_preprocessing_is_the_one_of_keras_applications(name):
    module = importlib.import_module(getattr(keras.applications, name).__module__)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 5, 5, 3)).astype(np.float32)
    inputs = keras.Input((5, 5, 3))
    ours = keras.Model(inputs, preprocessing.apply(inputs, backbone=name, mode="backbone") + 0)
    np.testing.assert_allclose(ours(pixels), module.preprocess_input(pixels.copy()), atol=2e-4)


def test_every_backbone_of_keras_applications_has_a_preprocessing_and_a_size():
    for name in constructors.names():
        assert preprocessing.kind_of(name) in ("caffe", "tf", "torch", "lite", "inside")
        assert 96 <= backbones.default_size(name) <= 600


# read off the networks that are quick to build with their top
@pytest.mark.parametrize("name", ["MobileNetV2", pytest.param("EfficientNetB1", marks=pytest.mark.slow)])
def test_default_sizes_are_those_of_the_constructors(name):
    built = getattr(keras.applications, name)(weights=None)
    assert built.input_shape[1] == backbones.default_size(name)


def test_rescale_divides_by_255():
    inputs = keras.Input((1, 1, 3))
    model = keras.Model(inputs, preprocessing.apply(inputs, backbone="VGG16", mode="rescale"))
    assert model(np.full((1, 1, 1, 3), 51.0, np.float32)).numpy().ravel().tolist() == pytest.approx([0.2] * 3)


@pytest.mark.slow  # an original classifier: test_predict; the layers of VGG16: test_trainable
def test_vgg16_has_its_parameters():
    with_top = backbones.create("VGG16", image_size=224, weights="none", policy="float32", include_top=True)
    assert with_top.count_params() == 138_357_544
    assert with_top.output_shape == (None, 1000)
    assert [layer.name for layer in with_top.layers[-4:]] == ["flatten", "fc1", "fc2", "predictions"]


def test_embedded_weights_fit_and_are_small():
    model = backbones.create("vgg_nano", image_size=96, weights="objects", policy="float32")
    assert model.count_params() == 358_112
    assert backbones._OBJECTS_WEIGHTS.stat().st_size < 1.5e6
    fresh = backbones.create("vgg_nano", image_size=96, weights="none", policy="float32")
    assert not np.allclose(model.get_weights()[0], fresh.get_weights()[0])


@pytest.mark.parametrize(
    ("name", "first"),
    [("MobileNetV3Small", "conv"), ("EfficientNetV2B0", "stem_conv")],
)
@pytest.mark.slow
def test_preprocessing_layers_inside_a_network_stay_float32(name, first):
    before = keras.config.dtype_policy().name
    model = backbones.create(name, image_size=64, weights="none", policy="mixed_bfloat16")
    kinds = keras.layers.Rescaling | keras.layers.Normalization
    inside = [layer for layer in model.layers if isinstance(layer, kinds)]
    assert inside
    assert all(layer.compute_dtype == "float32" for layer in inside)
    assert model.get_layer(first).compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == before  # no global left behind


def test_a_saved_model_serves_as_backbone_without_its_classifier(tmp_path):
    inputs = keras.Input((32, 32, 3))
    features = keras.layers.Conv2D(4, 3, name="features")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    keras.Model(inputs, keras.layers.Dense(7, activation="softmax")(pooled)).save(tmp_path / "mine.keras")
    path = str(tmp_path / "mine.keras")
    assert backbones.default_size(path) == 32
    base = backbones.create(path, image_size=32, weights="imagenet", policy="float32")
    assert base.output_shape == (None, 4)
    with pytest.raises(ValueError, match="image_size=64 does not fit .*mine.keras"):
        backbones.create(path, image_size=64, weights="imagenet", policy="float32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "VGG17"}, "backbone must be one of vgg_nano.*VGG16.*got 'VGG17'"),
        ({"backbone": "VGG16", "weights": "objects"}, "weights=objects is for the backbone vgg_nano only"),
        ({"backbone": "vgg_nano", "weights": "imagenet"}, "vgg_nano has no ImageNet weights"),
        ({"backbone": "vgg_nano", "weights": "/nowhere.h5"}, "weights must be .* got /nowhere.h5: no such file"),
        ({"backbone": "MobileNetV2", "arguments": {"alfa": 1}}, r"arguments of MobileNetV2 \(alpha\), got 'alfa'"),
        ({"backbone": "gone.keras"}, "cannot load gone.keras"),
    ],
)
def test_what_cannot_be_used_is_named(arguments, message):
    options = {"image_size": 96, "weights": "none", "policy": "float32", **arguments}
    with pytest.raises(ValueError, match=message):
        backbones.create(**options)


def test_a_saved_model_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="cannot load gone.keras"):
        backbones.default_size("gone.keras")


def test_weights_of_another_network_are_refused(tmp_path):
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    message = "do not fit the backbone vgg_nano: .* such as block1_conv1: Layer 'block1_conv1' expected 2 variables"
    with pytest.raises(ValueError, match=message):
        backbones.create("vgg_nano", image_size=96, weights=str(tmp_path / "other.weights.h5"), policy="float32")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (
            "wider.weights.h5",
            r"1 layer cannot be filled, such as logits: it has the shape \(4, 2\), in the file \(4, 3\)$",
        ),
        ("wider.keras", r"such as logits: it has the shape \(4, 2\), in the file \(4, 3\)$"),
        ("junk.weights.h5", "file signature not found"),
        ("junk.keras", "File is not a zip file$"),
        ("junk.txt", "File format not supported"),
        ("absent.keras", "no such file$"),
    ],
)
def test_a_file_of_weights_that_does_not_fit_gets_a_finished_sentence(tmp_path, file, reason):
    def network(classes):
        inputs = keras.Input((4,))
        return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(inputs))

    network(3).save_weights(tmp_path / "wider.weights.h5")
    network(3).save(tmp_path / "wider.keras")
    for name in ("junk.weights.h5", "junk.keras", "junk.txt"):
        (tmp_path / name).write_bytes(b"junk")
    with pytest.raises(ValueError, match=f"^it does not fit: .*{reason}") as caught:
        loading.fill(network(2), tmp_path / file, refusal="it does not fit")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backbone", constructors.names())
def test_depthwise_networks_are_known(backbone):
    module = sys.modules[backbones._constructor(backbone).__module__]
    assert backbones.is_depthwise(backbone) == bool(
        re.search(r"(Depthwise|Separable)Conv2D", inspect.getsource(module))
    )


@pytest.mark.parametrize(
    "backbone",
    [
        *("MobileNetV2", "MobileNetV3Small"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("MobileNet", "EfficientNetB0", "EfficientNetV2B0")),
        pytest.param("EfficientNetLite0", marks=pytest.mark.slow),
    ],
)
def test_every_depthwise_convolution_of_these_is_folded(backbone):
    assert bfloat16.suits(backbone, is_folded=True)
    assert not bfloat16.suits(backbone, is_folded=False)
    network = backbones.create(backbone, image_size=64, weights="none", policy="float32")
    folded = {convolution.name for convolution, _ in folding.pairs(folding.as_graph(network), inference=True)}
    assert {layer.name for layer in network.layers if isinstance(layer, keras.layers.DepthwiseConv2D)} <= folded


@pytest.mark.parametrize(
    ("backbone", "suits"),
    [("Xception", False), ("NASNetMobile", False), ("ConvNeXtTiny", False), ("VGG16", True), ("vgg_nano", True)],
)
def test_which_others_suit_bfloat16_on_a_cpu(backbone, suits):
    assert bfloat16.suits(backbone, is_folded=True) is suits


@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D", "SeparableConv2D"])
def test_depthwise_layers_are_known_in_a_saved_model_and_in_one_inside_it(kind, tmp_path):
    options = {} if kind == "DepthwiseConv2D" else {"filters": 3}
    layer = getattr(keras.layers, kind)(kernel_size=3, **options)
    inner = keras.Sequential([keras.Input((8, 8, 3)), layer])
    keras.Sequential([keras.Input((8, 8, 3)), inner, keras.layers.Flatten()]).save(tmp_path / "mine.keras")
    assert backbones.is_depthwise(str(tmp_path / "mine.keras")) == (kind != "Conv2D")


def test_a_file_that_is_no_saved_model_is_no_stack_trace(tmp_path):
    (tmp_path / "mine.keras").write_bytes(b"no model")
    with pytest.raises(ValueError, match="^cannot load .*mine.keras: File is not a zip file$"):
        backbones.is_depthwise(str(tmp_path / "mine.keras"))
