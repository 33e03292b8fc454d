"""The table over the families of Keras Applications: weights from a file compute what fetched ones do."""

import importlib

import keras
import numpy as np
import pytest

from tests.tools.applications import publish, published
from trainers.config import ModelConfig
from trainers.models import backbones, catalogue, inside
from trainers.models.classifier import base_of, build_classifier

# One network of each module, with the smallest input it takes; those that build in about a second are fast tests.
_FAST = (("VGG16", 32),)
_SLOW = (
    ("EfficientNetB0", 32),
    *(("MobileNetV3Small", 32), ("MobileNet", 32), ("MobileNetV2", 32)),
    *(("VGG19", 32), ("ResNet50", 32), ("ResNet50V2", 32), ("InceptionV3", 75), ("InceptionResNetV2", 75)),
    *(("Xception", 71), ("NASNetMobile", 32), ("DenseNet121", 32), ("EfficientNetV2B0", 32), ("EfficientNetV2S", 32)),
    *(("ConvNeXtTiny", 32), ("EfficientNetB7", 32), ("EfficientNetB3", 32)),
)


def _features(network, pixels):
    return np.asarray(network(pixels, training=False))


def _prepared(network):
    """What comes to its first layer that has trained weights. (In features of random weights little is left of it.)"""
    weighted = (bool(x.weights) and not isinstance(x, keras.layers.Normalization) for x in network.layers)
    return keras.Model(network.inputs[0], network.layers[list(weighted).index(True) - 1].output + 0)


@pytest.mark.filterwarnings("ignore:.*input_shape. is undefined")  # Keras's, for weights of any size but 224
@pytest.mark.parametrize(("name", "side"), [*_FAST, *(pytest.param(*entry, marks=pytest.mark.slow) for entry in _SLOW)])
def test_from_a_file_and_fetched_and_keras_own_are_one(name, side, tmp_path):
    constructor = getattr(keras.applications, name)
    shape = (side, side, 3)
    path = tmp_path / "published_no_top.h5"
    publish(path, constructor(include_top=False, weights=None, input_shape=shape))
    with published(path):
        theirs = constructor(include_top=False, weights="imagenet", input_shape=shape)
        fetched = build_classifier(ModelConfig(name), num_classes=2, image_size=side, policy="float32")
    from_file = build_classifier(ModelConfig(name, weights=str(path)), num_classes=2, image_size=side, policy="float32")
    preprocess = importlib.import_module(constructor.__module__).preprocess_input
    pixels = np.random.default_rng(1).uniform(0, 255, (2, *shape)).astype(np.float32)
    expected = _features(theirs, preprocess(pixels.copy()))
    scale = np.abs(expected).max()
    assert scale > 0
    for ours in (fetched, from_file):
        base = base_of(ours)
        up_to_features = keras.Model(ours.input, ours.get_layer("pooling").input)
        np.testing.assert_allclose(_features(up_to_features, pixels), expected, atol=1e-4 * scale)
        before_base = keras.Model(ours.input, ours.layers[ours.layers.index(base) - 1].output + 0)
        prepared = _prepared(theirs)(preprocess(pixels.copy()))
        np.testing.assert_allclose(_prepared(base)(before_base(pixels)), prepared, rtol=1e-4, atol=2e-4)
        assert [layer.name for layer in base.layers[1:]] == [layer.name for layer in base_of(fetched).layers[1:]]


@pytest.mark.slow
def test_the_classifier_of_efficientnet_from_a_file_is_the_fetched_one(tmp_path):
    side, path = 32, tmp_path / "published.h5"
    publish(path, keras.applications.EfficientNetB0(weights=None))
    with published(path):
        theirs = backbones.create(
            "EfficientNetB0", image_size=side, weights="imagenet", policy="float32", include_top=True
        )
    ours = backbones.create("EfficientNetB0", image_size=side, weights=str(path), policy="float32", include_top=True)
    pixels = np.random.default_rng(1).uniform(0, 255, (2, side, side, 3)).astype(np.float32)
    np.testing.assert_allclose(_features(ours, pixels), _features(theirs, pixels), rtol=1e-5)
    standardized = keras.Model(ours.input, ours.get_layer("rescaling_1").output)
    expected = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(standardized(pixels), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("VGG16", "mixed_bfloat16"),
        *(
            pytest.param(name, policy, marks=pytest.mark.slow)
            for name in ("MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "EfficientNetV2S", "ConvNeXtTiny")
            for policy in ("float32", "mixed_bfloat16")
        ),
    ],
)
def test_rescale_divides_by_255_and_nothing_else(name, policy, tmp_path):
    side = 32
    settings = ModelConfig(name, weights="none", preprocessing="rescale")
    built = build_classifier(settings, num_classes=2, image_size=side, policy=policy)
    base = base_of(built)
    assert not inside.of_saved(base)
    pixels = np.random.default_rng(1).uniform(0, 255, (2, side, side, 3)).astype(np.float32)
    rescaled = keras.Model(built.input, built.get_layer("rescale").output)(pixels)
    np.testing.assert_allclose(rescaled, pixels / 255, rtol=1e-6)
    built.save(tmp_path / "best.keras")
    again = keras.saving.load_model(tmp_path / "best.keras")
    np.testing.assert_allclose(again(pixels), built(pixels), atol=1e-6)


def test_a_network_without_its_preprocessing_is_the_rest_of_it():
    inputs = keras.Input((1, 1, 3))
    x = keras.layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 4.0, 4.0])(keras.layers.Rescaling(0.5)(inputs))
    rest = keras.layers.Conv2D(2, 1)
    network = keras.Model(inputs, keras.layers.Rescaling(3.0, name="later")(rest(x)))
    bare = inside.without(network)
    pixels = np.full((1, 1, 1, 3), 7, np.float32)
    np.testing.assert_array_equal(bare(pixels), 3 * rest(pixels))
    assert [layer.name for layer in bare.layers[1:]] == [rest.name, "later"]
    assert inside.without(bare) is bare


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "MobileNetV3Small",
            {"include_preprocessing": False},
            r"leave include_preprocessing alone \(--preprocessing does",
        ),
        ("MobileNetV2", {"pooling": "max"}, r"leave pooling alone \(--pooling does\), got 'max'"),
        ("MobileNetV2", {"classes": 3}, "leave classes alone"),
        ("MobileNetV2", {"classifier_activation": None}, "leave classifier_activation alone"),
        ("MobileNet", {"dropout": 0.5}, "leave dropout alone .*--dropout"),
        ("EfficientNetV2B0", {"name": "mine"}, "leave name alone .*preprocessing"),  # would change the preprocessing
        ("MobileNetV3Small", {"minimalistic": "false"}, "minimalistic of MobileNetV3Small must be true or false"),
        ("MobileNetV2", {"alpha": True}, "alpha of MobileNetV2 cannot be true or false"),
        ("vgg_nano", {"classes": 3}, "leave classes alone"),
        ("vgg_nano", {"alpha": 1}, r"vgg_nano \(it takes none\), got 'alpha'"),
    ],
)
def test_arguments_that_something_else_decides_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        catalogue.check(name, weights="none", arguments=arguments)


def _saved(path, *layers, name="mine"):
    inputs = x = keras.Input((32, 32, 3))
    for layer in layers:
        x = layer(x)
    keras.Model(inputs, x, name=name).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("end", "shape", "last"),
    [
        ([keras.layers.Activation("relu", name="out")], (None, 30, 30, 4), "out"),
        (
            [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(7, "relu", name="embedding")],
            (None, 7),
            "embedding",
        ),
        ([keras.layers.GlobalAveragePooling2D(name="pool"), keras.layers.Dense(7, "softmax")], (None, 4), "pool"),
        ([keras.layers.GlobalAveragePooling2D(name="pool"), keras.layers.Dense(7)], (None, 4), "pool"),
        (
            [
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(5, "relu", name="hidden"),
                keras.layers.Dense(7, name="scores"),
                keras.layers.Activation("sigmoid"),
            ],
            (None, 5),
            "hidden",
        ),
    ],
)
def test_a_saved_backbone_keeps_all_but_its_classifier(end, shape, last, tmp_path):
    path = _saved(tmp_path / "mine.keras", keras.layers.Conv2D(4, 3), *end)
    base = backbones.create(path, image_size=32, weights="none", policy="float32")
    assert base.output_shape == shape
    assert base.layers[-1].name == last


def test_a_saved_backbone_around_another_model_is_cut_behind_it(tmp_path):
    inner = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D()])
    path = _saved(tmp_path / "mine.keras", inner, keras.layers.Dense(3, "softmax"), name="logits")
    built = build_classifier(
        ModelConfig(path), num_classes=2, image_size=32, policy="float32"
    )  # one layer named logits
    assert base_of(built).output_shape == (None, 4)


def test_rescale_is_refused_before_a_saved_model_that_rescales(tmp_path):
    path = _saved(tmp_path / "mine.keras", keras.layers.Rescaling(1 / 255, name="own"), keras.layers.Conv2D(4, 3))
    with pytest.raises(
        ValueError, match=r"preprocessing=rescale would come before .*mine.keras .*\(own\): use --preproc"
    ):
        build_classifier(ModelConfig(path, preprocessing="rescale"), num_classes=2, image_size=32, policy="float32")


@pytest.mark.parametrize("other", [{"preprocessing": "rescale"}, {"pooling": "max"}])
def test_init_from_refuses_another_treatment_of_pixels_and_features(other, tmp_path):
    settings = {"weights": "none"}
    built = build_classifier(ModelConfig("vgg_nano", **settings), num_classes=2, image_size=32, policy="float32")
    built.save(tmp_path / "best.keras")
    settings["init_from"] = str(tmp_path / "best.keras")
    again = build_classifier(ModelConfig("vgg_nano", **settings), num_classes=2, image_size=32, policy="mixed_bfloat16")
    np.testing.assert_array_equal(again.get_weights()[0], built.get_weights()[0])
    with pytest.raises(ValueError, match="treats pixels or features otherwise"):
        build_classifier(ModelConfig("vgg_nano", **settings, **other), num_classes=2, image_size=32, policy="float32")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*input_shape. is undefined")
def test_the_original_classifier_takes_other_sizes_than_its_own(tmp_path):
    path = tmp_path / "published.h5"
    publish(path, keras.applications.MobileNetV2(weights=None, alpha=0.35))
    options = {"weights": "imagenet", "policy": "float32", "include_top": True, "arguments": {"alpha": 0.35}}
    with published(path):
        ours = backbones.create("MobileNetV2", image_size=96, **options)
    theirs = keras.applications.MobileNetV2(weights=str(path), alpha=0.35, input_shape=(96, 96, 3))
    pixels = np.random.default_rng(1).uniform(-1, 1, (2, 96, 96, 3)).astype(np.float32)
    np.testing.assert_array_equal(_features(ours, pixels), _features(theirs, pixels))


def test_the_original_classifier_of_vgg16_takes_its_own_size_alone():
    with pytest.raises(ValueError, match="image_size must be 224 for the original classifier of VGG16, got 160"):
        backbones.create("VGG16", image_size=160, weights="imagenet", policy="float32", include_top=True)
