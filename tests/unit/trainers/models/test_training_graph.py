"""What is frozen runs in a training step as in evaluation, bit for bit."""

import keras
import numpy as np
import pytest

from trainers.config import PHASES, ModelConfig, TrainConfig, TrainingConfig
from trainers.models import training_graph
from trainers.models.classifier import base_of, build_classifier, logits_of
from trainers.models.layer_names import layers_of
from trainers.models.trainable import set_trainable

_PIXELS = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)


def _noisy(path, name="mine"):
    """A saved model with everything that is random in training, in two blocks, the first inside another model."""
    layers = keras.layers
    inner = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.GaussianNoise(0.9, name="noise"),
            layers.Conv2D(4, 3, strides=2, name="block1_conv"),
            layers.BatchNormalization(name="block1_norm"),
            layers.Dropout(0.5, name="block1_drop"),
        ],
        name="first",
    )
    inputs = keras.Input((32, 32, 3))
    x = inner(inputs)
    skip = x
    x = layers.Conv2D(4, 3, padding="same", name="block2_conv")(x)
    x = layers.SpatialDropout2D(0.5, name="block2_drop")(x)
    x = layers.GaussianDropout(0.5, name="block2_noise")(layers.Add(name="block2_add")([x, skip]))
    x = layers.GlobalAveragePooling2D()(x)
    keras.Model(inputs, layers.Dense(3, "softmax")(layers.Dropout(0.5, name="old_drop")(x)), name=name).save(path)
    return str(path)


def _built(backbone, phase, unfreeze=("all",), dropout=0.0, weights="none"):
    config = TrainConfig(
        model=ModelConfig(backbone, weights=weights, dropout=dropout), training=TrainingConfig(unfreeze=unfreeze)
    )
    network = build_classifier(config.model, num_classes=3, image_size=32, policy="float32")
    set_trainable(network, PHASES[phase], config.model, unfreeze=config.training.unfreeze)
    return network


def _evaluated(network):
    return logits_of(network)(_PIXELS, training=False).numpy()


def test_features_of_a_transfer_step_are_those_of_evaluation(tmp_path):
    network = _built(_noisy(tmp_path / "mine.keras"), "transfer")
    statistics = [w.numpy() for w in network.weights]
    np.testing.assert_array_equal(training_graph.create(network)(_PIXELS), _evaluated(network))
    assert all((w.numpy() == before).all() for w, before in zip(network.weights, statistics, strict=True))


@pytest.mark.slow
def test_stochastic_depth_of_the_default_backbone_is_off_in_transfer():
    network = _built("EfficientNetV2B0", "transfer")
    np.testing.assert_array_equal(training_graph.create(network)(_PIXELS), _evaluated(network))
    whole = logits_of(network)(_PIXELS, training=True).numpy()
    assert np.abs(whole - _evaluated(network)).mean() > 0.01 * np.abs(_evaluated(network)).mean()  # as it was


@pytest.mark.parametrize(
    ("unfreeze", "quiet", "random"),
    [
        (("block2",), {"noise", "block1_drop"}, {"block2_drop", "block2_noise", "old_drop"}),
        (("block1",), {"noise"}, {"block1_drop", "block2_drop", "block2_noise", "old_drop"}),
        (("block2_drop",), {"noise", "block1_drop"}, {"block2_drop", "block2_noise", "old_drop"}),
        (("all",), set(), {"noise", "block1_drop", "block2_drop", "block2_noise", "old_drop"}),
    ],
)
def test_what_lies_before_the_first_trainable_layer_is_quiet(unfreeze, quiet, random, tmp_path):
    network = _built(_noisy(tmp_path / "mine.keras"), "finetune", unfreeze)
    heard = {}
    for layer in layers_of(base_of(network)):
        if layer.name in quiet | random:
            call = layer.call

            def listening(inputs, training=None, *, name=layer.name, call=call):
                heard[name] = training
                return call(inputs, training=training)

            layer.call = listening
    training_graph.create(network)(_PIXELS)
    assert heard == {**dict.fromkeys(quiet, False), **dict.fromkeys(random, True)}


def test_the_dropout_of_the_new_head_stays_on_in_transfer(tmp_path):
    network = _built(_noisy(tmp_path / "mine.keras"), "transfer", dropout=0.5)
    graph = training_graph.create(network)
    assert not np.array_equal(graph(_PIXELS), graph(_PIXELS))
    assert {id(w) for w in graph.trainable_variables} == {id(w) for w in network.trainable_variables}
    assert len(network.trainable_variables) == 2


def test_a_base_that_trains_as_a_whole_runs_as_keras_runs_it():
    network = _built("vgg_nano", "pretrain")
    graph = training_graph.create(network)
    np.testing.assert_array_equal(graph(_PIXELS), logits_of(network)(_PIXELS, training=True))
    assert len(graph.trainable_variables) == len(network.trainable_variables)
