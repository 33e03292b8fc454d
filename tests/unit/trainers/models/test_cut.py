"""The frozen part of a network and the rest: the same numbers together, and cut where it can be."""

import keras
import numpy as np
import pytest

from trainers.config import PHASES, ModelConfig
from trainers.models import training_graph
from trainers.models.classifier import build_classifier, logits_of
from trainers.models.cut import cut, fingerprint
from trainers.models.layer_names import layers_of
from trainers.models.trainable import set_trainable

layers = keras.layers
_SIDE = 32
_IMAGES = np.random.default_rng(0).integers(0, 256, (8, _SIDE, _SIDE, 3)).astype(np.float32)


def _built(backbone, *, phase="finetune", unfreeze=("all",), policy="float32", seed=1, **settings):
    keras.utils.set_random_seed(seed)
    config = ModelConfig(str(backbone), weights="none", train_batch_norm=False, **settings)
    network = build_classifier(config, num_classes=3, image_size=_SIDE, policy=policy)
    set_trainable(network, PHASES[phase], config, unfreeze=unfreeze)
    return network


def _branched(path, *, strides=1):
    """A frozen stem, a block with a way around it, and normalization of pixels in front."""
    inputs = keras.Input((_SIDE, _SIDE, 3))
    x = layers.Normalization(mean=(100.0,), variance=(50.0,), name="pixels")(inputs)
    x = layers.Conv2D(4, 3, strides=strides, padding="same", name="stem")(x)
    y = layers.Conv2D(4, 1, name="expand")(x)
    y = layers.Conv2D(4, 3, padding="same", name="project")(y)
    x = layers.Add(name="sum")([x, y])
    x = layers.Conv2D(5, 3, name="last")(layers.Dropout(0.5, name="noise")(x))
    keras.Model(inputs, x).save(path)
    return path


def _logits(network):
    return np.asarray(logits_of(network)(_IMAGES, training=False))


def _features_and_logits(parts):
    features = parts.prefix(_IMAGES, training=False)
    return features, np.asarray(parts.suffix(features, training=False))


@pytest.mark.parametrize(
    ("backbone", "settings", "shape"),
    [
        ("vgg_nano", {"phase": "transfer"}, (112,)),
        ("vgg_nano", {"phase": "transfer", "pooling": "flatten", "dense_units": 8}, (112,)),
        ("vgg_nano", {"unfreeze": ("block4", "block5"), "policy": "mixed_bfloat16"}, (4, 4, 64)),
        pytest.param(
            *("MobileNetV2", {"unfreeze": ("block_16", "Conv_1"), "backbone_args": {"alpha": 0.35}}, (1, 1, 56)),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_both_parts_together_give_the_logits_of_the_whole(backbone, settings, shape):
    network = _built(backbone, **settings)
    features, logits = _features_and_logits(cut(network))
    assert features.shape[1:] == shape
    np.testing.assert_array_equal(logits, _logits(network))


def test_both_parts_together_train_as_the_whole_does():
    network = _built("vgg_nano", unfreeze=("block5",), dropout=0.0)
    parts = cut(network)
    features = parts.prefix(_IMAGES, training=False)
    whole, part = training_graph.create(network), training_graph.create(parts.suffix)
    np.testing.assert_array_equal(part(features), whole(_IMAGES))
    assert [id(v) for v in parts.suffix.trainable_variables] == [id(v) for v in network.trainable_variables]
    assert not parts.prefix.trainable_variables


@pytest.mark.parametrize(
    ("unfreeze", "last"),
    [(("last",), "noise"), (("project", "last"), "stem"), (("expand", "last"), "stem"), (("noise", "last"), "sum")],
)
def test_the_cut_goes_through_the_last_tensor_that_all_ways_share(unfreeze, last, tmp_path):
    network = _built(_branched(tmp_path / "base.keras"), unfreeze=unfreeze)
    parts = cut(network)
    assert [layer.name for layer in layers_of(parts.prefix)][-1] == last
    np.testing.assert_array_equal(_features_and_logits(parts)[1], _logits(network))


def test_what_is_frozen_behind_the_cut_still_runs_as_in_evaluation(tmp_path):
    inputs = keras.Input((_SIDE, _SIDE, 3))
    x = layers.Conv2D(4, 3, name="stem")(inputs)
    x = layers.Add()([x, layers.Conv2D(4, 1, name="late")(layers.Dropout(0.9, name="noise")(x))])
    keras.Model(inputs, x).save(tmp_path / "base.keras")
    parts = cut(_built(tmp_path / "base.keras", unfreeze=("late",), dropout=0.0))
    assert "noise" in [layer.name for layer in layers_of(parts.suffix)]
    features = parts.prefix(_IMAGES, training=False)
    one, other = (np.asarray(training_graph.create(parts.suffix)(features)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_there_is_no_prefix_below_a_first_layer_that_trains(tmp_path):
    assert cut(_built("vgg_nano")) is None
    assert cut(_built("vgg_nano", phase="pretrain")) is None
    assert cut(_built(_branched(tmp_path / "base.keras"), unfreeze=("stem",))) is None  # pixels are normalized only


def test_a_fingerprint_tells_weights_and_structure_apart_and_no_names(tmp_path):
    def of(*arguments, **settings):
        return fingerprint(cut(_built(*arguments, phase="transfer", **settings)).prefix)

    first, second = (_branched(tmp_path / f"{name}.keras") for name in ("one", "two"))
    wider = _branched(tmp_path / "three.keras", strides=2)
    found = of(first)
    assert found == of(first)
    assert found != of(second)  # other weights
    assert found != of(wider)
    others = [{"seed": 2}, {"pooling": "max"}, {"preprocessing": "rescale"}, {"policy": "mixed_bfloat16"}]
    assert len({of("vgg_nano"), *(of("vgg_nano", **settings) for settings in others)}) == 5
    assert of("vgg_nano") == of("vgg_nano", dropout=0.5)
