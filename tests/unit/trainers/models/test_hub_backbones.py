"""Backbones of KerasHub, tiny and of random weights, through a preset folder made on the spot."""

import csv
import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

import flags
from tests.tools import saved_models
from tests.tools.hub_families import FAMILIES, SIDE, make_preset
from trainers import experiment
from trainers.config import PHASES, ModelConfig
from trainers.config.model import hub_folder
from trainers.models import backbones, catalogue, classifier, cut, depth, hub_backbones, hub_presets, trainable
from trainers.models.layer_names import layers_of
from trainers.rundir.bound import settings_fingerprint
from trainers.rundir.checkpoint import weights_sha256

needs_hub = pytest.mark.skipif(importlib.util.find_spec("keras_hub") is None, reason="the extra zoo is not installed")
_CUT_BY_BLOCK = set(FAMILIES) - {"DINOv3"}  # whose blocks all take the positions beside the tokens
_IMAGES = np.random.default_rng(0).uniform(0, 255, (2, SIDE, SIDE, 3)).astype("float32")


def _build(backbone, side=SIDE):
    return classifier.build_classifier(ModelConfig(backbone), num_classes=3, image_size=side, policy="float32")


@pytest.mark.extra_zoo
@needs_hub
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_cut_and_learns_by_block_and_is_the_same_when_loaded(family, tmp_path):
    model = _build(make_preset(family, tmp_path / "preset"))
    base = classifier.base_of(model)
    assert (base.output_shape[-1], len(base.output_shape)) in ((FAMILIES[family][2], 2), (FAMILIES[family][2], 4))
    layers = [layer for layer in layers_of(base) if layer.weights]
    names = [layer.name for layer in layers]
    assert len(set(names)) == len(names) >= 3
    before = model(_IMAGES, training=False)
    trainable.set_trainable(model, PHASES["finetune"], ModelConfig(), unfreeze=names[-2:])
    assert model.trainable_variables
    parts = cut.cut(model)
    assert (parts is not None) == (family in _CUT_BY_BLOCK)
    if parts:
        assert not parts.prefix.trainable_variables
        assert None not in parts.prefix.output_shape[1:]
        np.testing.assert_allclose(tf.nn.softmax(parts.suffix(parts.prefix(_IMAGES))), before, atol=1e-5)
    depths = [depth.depths(base)[id(layer)] for layer in layers]
    assert depths[0] > depths[-1] == 1
    classifier.save_classifier(model, tmp_path / "best.keras")
    loaded = classifier.load_classifier(tmp_path / "best.keras")
    np.testing.assert_array_equal(loaded(_IMAGES, training=False), before)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    with saved_models.reader(tmp_path_factory.mktemp("empty")) as process:
        yield process


@pytest.mark.slow
@pytest.mark.extra_zoo
@needs_hub
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_trains_in_both_phases_and_its_export_needs_nothing(family, photo_folder, tmp_path, capsys, reader):
    backbone = make_preset(family, tmp_path / "preset")
    settings = {"backbone": backbone, "image_size": SIDE, "batch_size": 16, "transfer_epochs": 1, "finetune_epochs": 1}
    fixed = {"distribution_strategy": "one_device", "jit_compile": "false", "mixed_precision": "float32"}
    run = tmp_path / "run"
    places = {"image_dir": str(photo_folder), "model_dir": str(run)}
    results = experiment.run(flags.config(**settings, **fixed, **places, feature_views=1, tensorboard=False))
    assert list(results) == ["transfer", "finetune"]
    said = capsys.readouterr().out
    assert "features: 51 images x 1 view of " in said
    assert said.count("best.keras is loaded with the package keras-hub") <= 1
    rows = [row for phase in results for row in csv.DictReader((run / phase / "history.csv").read_text().splitlines())]
    assert [row["epoch"] for row in rows] == ["1", "0", "1"]  # of fine-tuning the start as well
    assert all(np.isfinite(float(row["loss"])) for row in rows if row["epoch"] == "1")
    loaded = classifier.load_classifier(run / "finetune/best.keras")
    assert weights_sha256(loaded.weights) == results["finetune"]["weights_sha256"]
    experiment.run(flags.config(phase="export", model_dir=str(run), export_formats="saved_model"))
    assert saved_models.difference(reader, run, photo_folder) < 1e-5


@pytest.mark.extra_zoo
@needs_hub
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", ["ViT", "SigLIP", "ResNet-D"])
def test_pixels_are_those_of_the_converter(family, tmp_path):
    import keras_hub

    backbone = make_preset(family, tmp_path / "preset")
    converter = keras_hub.layers.ImageConverter.from_preset(str(tmp_path / "preset"))
    ours = hub_presets.rescaling(hub_presets.pixels(backbone))(_IMAGES)
    np.testing.assert_allclose(ours, converter(_IMAGES), rtol=0, atol=1e-6)
    network = keras_hub.models.Backbone.from_preset(str(tmp_path / "preset"))
    network = getattr(network, "vision_encoder", network)
    theirs = keras.tree.flatten(network(keras.tree.map_structure(lambda _: converter(_IMAGES), network.input)))[0]
    theirs = theirs[:, 0] if family == "ViT" else theirs
    made = backbones.create(backbone, image_size=SIDE, weights="imagenet", policy="float32")
    np.testing.assert_allclose(made(_IMAGES, training=False), theirs, atol=1e-5)


@pytest.mark.extra_zoo
@needs_hub
@pytest.mark.filterwarnings("ignore")
def test_a_preset_without_a_converter_says_what_is_taken(tmp_path, capsys):
    make_preset("ResNet-D", tmp_path / "bare", converter=False)
    wanted = hub_presets.pixels(f"hub:{tmp_path / 'bare'}")
    assert not wanted.is_own
    np.testing.assert_allclose(127.5 * np.array(wanted.scale) + wanted.offset, [0.066, 0.196, 0.418], atol=1e-3)
    backbones.create(f"hub:{tmp_path / 'bare'}", image_size=SIDE, weights="imagenet", policy="float32")
    assert "ImageNet's mean and deviation are taken" in capsys.readouterr().out


@pytest.mark.extra_zoo
@needs_hub
@pytest.mark.filterwarnings("ignore")
def test_positions_are_interpolated_and_sizes_that_do_not_fit_refused(tmp_path):
    for family in ("ViT", "DeiT", "DINOv2", "SigLIP"):
        backbone = make_preset(family, tmp_path / family)
        assert backbones.create(backbone, image_size=48, weights="imagenet", policy="float32").output_shape[-1]
    with pytest.raises(ValueError, match=r"image_size=44 does not fit .* 8 pixels wide: use 40, 48 or 32"):
        backbones.create(backbone, image_size=44, weights="imagenet", policy="float32")


@pytest.mark.extra_zoo
@needs_hub
@pytest.mark.filterwarnings("ignore")
def test_trained_positions_of_dinov2_are_saved(tmp_path):
    model = _build(make_preset("DINOv2", tmp_path / "preset"))
    table = next(v for v in model.weights if v.name == "interpolated_position_embeddings")
    table.assign_sub(0.1 * keras.random.uniform(table.shape, seed=1) + 0.1)  # KerasHub saves those that grew alone
    before = model(_IMAGES, training=False)
    classifier.save_classifier(model, tmp_path / "best.keras")
    np.testing.assert_array_equal(classifier.load_classifier(tmp_path / "best.keras")(_IMAGES, training=False), before)


def test_interpolated_positions_keep_tokens_and_corners():
    table = np.arange(2 * 17, dtype="float32").reshape(17, 2)
    wider = hub_backbones._interpolated(table, 1 + 64, 64, antialias=False)
    assert wider.shape == (65, 2)
    np.testing.assert_array_equal(wider[0], table[0])
    np.testing.assert_allclose(wider[1:].mean(axis=0), table[1:].mean(axis=0), atol=0.1)
    np.testing.assert_array_equal(hub_backbones._interpolated(table, 17, 16, antialias=False), table)
    assert hub_backbones._interpolated(table, 1 + 64, 65, antialias=False) is None


def test_without_the_extra_the_error_names_it(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"keras_hub, not installed here: .*'\.\[zoo\]'"):
        catalogue.check("hub:vit_base", weights="imagenet")


def test_a_folder_that_is_no_preset_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    with pytest.raises(ValueError, match=r"has no config\.json"):
        catalogue.check(f"hub:{tmp_path}", weights="imagenet")
    with pytest.raises(ValueError, match="no such folder; give hub:FOLDER"):
        catalogue.check("hub:./nowhere", weights="imagenet")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="is a preset"):
        catalogue.check(f"hub:{tmp_path}", weights="imagenet", arguments={"alpha": 1})


def test_a_preset_is_compared_by_content_wherever_it_lies(tmp_path):
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(name[:1], encoding="utf-8")
    assert hub_folder(f"hub:{tmp_path}/one") == f"{tmp_path}/one"
    one, two, three = (settings_fingerprint({"backbone": f"hub:{tmp_path}/{n}"}) for n in ("one", "two", "three"))
    assert two == three != one
    (tmp_path / "two/metadata.json").write_text("a date", encoding="utf-8")
    assert settings_fingerprint({"backbone": f"hub:{tmp_path}/two"}) == three


@pytest.mark.extra_zoo
@needs_hub
def test_an_unknown_preset_names_near_ones():
    with pytest.raises(ValueError, match="no such preset.*dinov2_small"):
        hub_presets.find("hub:dinov2_smal")
