"""What every augmentation layer takes: images of unknown size, numbers of numpy's; and it loads with a saved model."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import ftdata
from ftdata.augment.sampled_layer import SampledLayer
from ftdata.errors import UserError

_SETTINGS = {
    "BackgroundMixing": {"probability": 0.5},
    "RandAugment": {"count": 3, "magnitude": 12.0},
    "RandomConvolution": {"probability": 0.5},
    "RandomGrayscale": {"probability": 0.5},
    "RandomHue": {"largest_angle": 90.0},
    "RandomAffine": {"rotation_range": 30.0, "width_shift_range": 0.1, "zoom_range": 0.2, "horizontal_flip": True},
    "RandomResizedCrop": {"minimal_area": 0.25, "rotation_range": 10.0, "height_shift_range": 0.2},
    "RandomChannelShift": {"channel_shift_range": 40.0},
    "RandomBrightnessFactor": {"brightness_range": (0.5, 1.5)},
    "RandomColorJitter": {"strength": 0.5},
    "RandomErasing": {"probability": 1.0},
    "PairMixing": {"mixup_alpha": 0.5, "cutmix_alpha": 1.0},
}
_NOISE = np.random.default_rng(3).integers(0, 256, (4, 18, 26, 3), np.uint8)
_LABELS = np.eye(4, dtype=np.float32)


def _layer(name, /, **further):
    return getattr(ftdata, name)(**{**_SETTINGS[name], **further})


def _is_mixing(name):
    return name == "PairMixing"


def _takes_pairs(name):
    return name in ("PairMixing", "BackgroundMixing")


def test_the_table_holds_every_layer():
    def below(kind):
        return {kind.__name__, *(name for sub in kind.__subclasses__() for name in below(sub))}

    for name in _SETTINGS:
        getattr(ftdata, name)
    own = {name for name in below(SampledLayer) if not name.startswith("_")} - {"SampledLayer"}
    assert own == set(_SETTINGS) == set(ftdata._LAYERS)


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "wrap", "constant"])
def test_images_of_unknown_size_are_warped_as_those_of_known_size(fill_mode):
    known, unknown = (_layer("RandomAffine", fill_mode=fill_mode, cval=9.0, seed=4) for _ in range(2))
    traced = tf.function(unknown, input_signature=[tf.TensorSpec([None, None, None, None], tf.uint8)])
    unknown_sides = tf.function(lambda images: unknown(images, training=True), input_signature=traced.input_signature)
    np.testing.assert_allclose(unknown_sides(_NOISE), known(_NOISE, training=True), atol=1e-3)


_COSTLY = ("RandomConvolution", "RandAugment", "RandomResizedCrop")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in _COSTLY else name for name in _SETTINGS]
)
def test_batches_of_unknown_size_in_tf_data(name):
    known, unknown = (_layer(name, seed=4) for _ in range(2))
    images = tf.TensorSpec([None, None, None, 3], tf.uint8)
    if _is_mixing(name):
        batch = {"images": _NOISE, "labels": _LABELS}
        signature = {"images": images, "labels": tf.TensorSpec([None, 4], tf.float32)}
    else:
        batch, signature = _NOISE, images
    data = tf.data.Dataset.from_generator(lambda: iter([batch]), output_signature=signature)
    got = next(iter(data.map(lambda one: unknown(one, training=True))))
    expected = known(batch, training=True)
    for ours, theirs in zip(tf.nest.flatten(got), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


_CUT_AND_WARPED = ("RandomAffine", "RandomResizedCrop", "RandomErasing")  # by the size of an image


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in _CUT_AND_WARPED else pytest.mark.slow)
        for name in _SETTINGS
        if not _takes_pairs(name)
    ],
)
def test_decoded_files_of_different_sizes_in_tf_data(name):
    layer = _layer(name, seed=4)
    files = [tf.io.encode_jpeg(_NOISE[0, :height, :width]) for height, width in ((18, 26), (7, 12), (16, 9))]
    decoded = tf.data.Dataset.from_tensor_slices(files).map(lambda file: tf.io.decode_jpeg(file, channels=3))
    assert decoded.element_spec.shape.as_list() == [None, None, 3]
    for training in (True, False):
        shapes = [one.shape.as_list() for one in decoded.map(lambda image, t=training: layer(image, training=t))]
        assert shapes == [[18, 26, 3], [7, 12, 3], [16, 9, 3]]


def test_an_image_of_unknown_rank_is_refused_with_the_way_out():
    layer, anything = _layer("RandomErasing"), tf.TensorSpec(None, tf.uint8)
    with pytest.raises(ValueError, match=r"(?s)RandomErasing takes images .*tf\.ensure_shape"):
        tf.function(lambda image: layer(image, training=True), input_signature=[anything]).get_concrete_function()


@pytest.mark.parametrize("name", [name for name in _SETTINGS if _takes_pairs(name)])
def test_an_odd_batch_in_tf_data_cannot_be_mixed(name):
    images = {"images": _NOISE[:3], "labels": _LABELS[:3]} if _is_mixing(name) else _NOISE[:3]
    layer = _layer(name)
    with pytest.raises(tf.errors.InvalidArgumentError, match="drop_remainder=True"):
        list(tf.data.Dataset.from_tensor_slices(images).batch(2).map(lambda batch: layer(batch, training=True)))


def _numpys(value):
    if isinstance(value, tuple):
        return np.array(value)
    return np.float32(value) if isinstance(value, float) else value


@pytest.mark.parametrize("name", _SETTINGS)
def test_numpys_numbers_are_as_good_as_pythons(name):
    plain = {
        key: np.float32(value).item() if isinstance(value, float) else value for key, value in _SETTINGS[name].items()
    }
    expected = _layer(name, name="x", seed=3, **plain).get_config()
    for convert in (lambda value: value, lambda value: np.array(value) if isinstance(value, np.float32) else value):
        numpys = {key: convert(_numpys(value)) for key, value in _SETTINGS[name].items()}
        config = _layer(name, name="x", seed=np.int64(3), **numpys).get_config()
        assert config == expected
        assert json.loads(json.dumps(config))  # none of numpy's types in it, for a saved model


def test_numpys_numbers_in_random_affines_other_arguments():
    layer = ftdata.RandomAffine(
        zoom_range=np.array([0.5, 2.0], np.float32),
        vertical_flip=np.bool_(True),
        cval=np.float32(3),
        output_size=np.int64(12),
        rescale=np.float64(0.5),
    )
    assert layer(_NOISE, training=True).shape == (4, 12, 12, 3)
    config = json.loads(json.dumps(layer.get_config()))
    assert (config["output_size"], config["zoom_range"], config["rescale"]) == ([12, 12], [0.5, 2.0], 0.5)
    assert ftdata.RandomAffine(output_size=np.array([5, 6])).output_size == (5, 6)


@pytest.mark.parametrize("bad", [-1, True, np.bool_(True), float("nan"), float("inf"), "1", [1.0]])
def test_what_is_no_number_is_refused(bad):
    with pytest.raises(UserError, match="channel_shift_range must be one number >= 0"):
        ftdata.RandomChannelShift(bad)


@pytest.mark.parametrize("bad", [-1, 0.5, True])
def test_a_bad_seed_is_refused(bad):
    with pytest.raises(UserError, match="seed must be a whole number >= 0"):
        ftdata.RandomErasing(seed=bad)


_LOAD = "print(*(layer.__class__.__name__ for layer in keras.saving.load_model(sys.argv[1]).layers))"
_FRESH = {
    "ftdata first": (
        "import os, sys, ftdata\nassert 'keras' not in sys.modules\nftdata.load_folder\nimport keras\n"
        f"os.dup2(os.open(os.devnull, os.O_WRONLY), 2)\n{_LOAD}"  # TensorFlow speaks when it computes
    ),
    "keras first, after a failure": (
        f"import sys, keras\ntry:\n    {_LOAD}\nexcept TypeError as error:\n    print(error)\nimport ftdata\n{_LOAD}"
    ),
}


@pytest.mark.slow  # in this process: test_augmentation
@pytest.mark.parametrize("way", _FRESH)
def test_a_saved_model_loads_in_a_fresh_process_after_import_ftdata(tmp_path, way):
    names = [name for name in _SETTINGS if not _is_mixing(name)]
    model = keras.Sequential([keras.Input((None, None, 3)), *map(_layer, names), keras.layers.GlobalAveragePooling2D()])
    model.save(tmp_path / "model.keras")
    command = [sys.executable, "-c", _FRESH[way], tmp_path / "model.keras"]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    *complaint, loaded = done.stdout.splitlines()
    assert loaded == " ".join([*names, "GlobalAveragePooling2D"])
    if way == "ftdata first":
        assert (complaint, done.stderr) == ([], "")  # a public name of ftdata loads TensorFlow without a word
    else:  # what Keras says by itself names the class and the module to import
        first = getattr(ftdata, names[0])
        assert f"Could not locate class '{first.__name__}'" in "".join(complaint)
        assert f"'module': '{first.__module__}'" in "".join(complaint)


def test_pair_mixing_is_loaded_too():
    config = keras.saving.serialize_keras_object(_layer("PairMixing", seed=1))
    assert keras.saving.deserialize_keras_object(config).get_config() == _layer("PairMixing", seed=1).get_config() | {
        "name": config["config"]["name"]
    }
