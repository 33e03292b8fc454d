"""LoRA on a small network with attention and a 1x1 convolution, given as a saved model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.config import PHASES, ModelConfig, TrainConfig, TrainingConfig
from trainers.models import backbones, classifier, cut, folding, lora, plain_layers, trainable, training_graph
from trainers.rundir.checkpoint import weights_sha256

_IMAGES = np.random.default_rng(0).uniform(0, 255, (4, 16, 16, 3)).astype("float32")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = keras.layers.Conv2D(8, 4, strides=4, name="patches")(x)
    x = keras.layers.Conv2D(8, 1, use_bias=False, name="block1_expand")(x)
    x = keras.layers.BatchNormalization(name="block1_bn")(x)
    x = keras.layers.Reshape((16, 8), name="tokens")(x)
    x = keras.layers.Add(name="add")([x, keras.layers.MultiHeadAttention(2, 4, name="attention")(x, x)])
    x = keras.layers.GlobalAveragePooling1D(name="mean")(x)
    path = tmp_path_factory.mktemp("lora") / "tiny.keras"
    keras.Model(inputs, x, name="tiny").save(path)
    return str(path)


def _enabled(backbone, targets=(), *, policy="float32"):
    keras.utils.set_random_seed(1)
    config = ModelConfig(backbone, dropout=0.0)
    model = classifier.build_classifier(config, num_classes=3, image_size=16, policy=policy)
    trainable.set_trainable(model, PHASES["finetune"], config)
    lora.enable(model, PHASES["finetune"], rank=2, targets=targets)
    return model


def _steps(model, count=3):
    network, optimizer = training_graph.create(model, fold_batch_norm=True), keras.optimizers.Adam(0.05)
    for _ in range(count):
        with tf.GradientTape() as tape:
            loss = keras.losses.sparse_categorical_crossentropy(
                np.array([0, 1, 2, 0]), network(_IMAGES), from_logits=True
            )
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)


@pytest.mark.parametrize(
    ("targets", "kernels"), [((), 2), (("attention/*",), 4), (("block1_*", "query"), 2), (("*/block1_expand",), 1)]
)
def test_only_lora_and_the_head_train(backbone, targets, kernels):
    model = _enabled(backbone, targets)
    names = [variable.name for variable in model.trainable_variables]
    assert sorted(names) == sorted(["lora_kernel_a", "lora_kernel_b"] * kernels + ["kernel", "bias"])
    before = {v.path: v.numpy() for v in model.non_trainable_variables}
    _steps(model)
    for variable in model.non_trainable_variables:
        np.testing.assert_array_equal(variable.numpy(), before[variable.path])
    assert all(np.abs(v.numpy()).max() > 0 for v in model.trainable_variables)


@pytest.mark.parametrize("targets", [(), ("block1_expand", "*output")])
def test_merged_is_unmerged_and_saving_changes_nothing(backbone, targets, tmp_path):
    model = _enabled(backbone, targets)
    start = model(_IMAGES, training=False)
    _steps(model)
    weights, scores = [w.numpy() for w in model.weights], model(_IMAGES, training=False)
    assert np.abs(scores - start).max() > 0.01
    classifier.save_classifier(model, tmp_path / "best.keras")
    for weight, before in zip(model.weights, weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), before)
    np.testing.assert_array_equal(model(_IMAGES, training=False), scores)
    plain = classifier.load_classifier(tmp_path / "best.keras")
    assert len(plain.weights) == len(model.weights) - 2 * (len(targets) or 2)
    np.testing.assert_allclose(plain(_IMAGES, training=False), scores, rtol=0, atol=1e-5)
    classifier.load_weights(model, tmp_path / "best.keras")  # as at the end of a phase
    np.testing.assert_allclose(model(_IMAGES, training=False), scores, rtol=0, atol=1e-5)
    assert weights_sha256(plain_layers.weights(model)) == weights_sha256(plain.weights)


def test_a_merged_kernel_is_not_rounded_to_half_precision(backbone, tmp_path):
    model = _enabled(backbone, ("block1_expand",), policy="mixed_bfloat16")
    _steps(model)
    convolution = next(x for x in model.get_layer("tiny").layers if x.name == "block1_expand")
    exact = convolution._kernel + convolution.lora_kernel_a @ convolution.lora_kernel_b
    classifier.save_classifier(model, tmp_path / "best.keras")
    saved = classifier.load_classifier(tmp_path / "best.keras").get_layer("tiny").get_layer("block1_expand")
    np.testing.assert_allclose(saved.kernel, exact, rtol=1e-6)


def test_a_layer_with_lora_is_neither_folded_nor_frozen_with_what_lies_below(backbone):
    model = _enabled(backbone, ("block1_expand",))
    assert folding.count(model.get_layer("tiny")) == 0
    assert cut.cut(model).prefix.output_shape == (None, 4, 4, 8)
    assert lora.in_words(model) == ["LoRA of rank 2 in 1 layers (block1_expand): 32 parameters, and the head"]
    assert lora.in_words(_enabled(backbone, ("query", "value")))[0].startswith("LoRA of rank 2 in 2 layers (query, val")


def test_another_phase_and_rank_0_have_none(backbone):
    config = ModelConfig(backbone)
    model = classifier.build_classifier(config, num_classes=3, image_size=16, policy="float32")
    lora.enable(model, PHASES["transfer"], rank=2, targets=())
    lora.enable(model, PHASES["finetune"], rank=0, targets=())
    assert lora.in_words(model) == []


def test_targets_that_are_not_there_are_refused_with_what_is(backbone):
    model = _enabled(backbone)
    with pytest.raises(ValueError, match="no layer of tiny that can have LoRA fits 'patches'. It has block1_expand, q"):
        lora.check(model, rank=2, targets=["patches"])
    nano = backbones.create("vgg_nano", image_size=32, weights="none", policy="float32")
    outer = keras.Sequential([keras.Input((32, 32, 3)), nano])
    with pytest.raises(ValueError, match="1x1 convolution layers, and .* has none: use --lora_rank=0"):
        lora.check(outer, rank=2, targets=())


@pytest.mark.parametrize("setting", [{"unfreeze": ("head",)}, {"l2_start": 0.1}, {"interpolate_weights": True}])
def test_what_goes_by_the_kernels_is_refused(setting):
    with pytest.raises(ValueError, match=f"{next(iter(setting))} must be .* with lora_rank"):
        TrainConfig(training=TrainingConfig(lora_rank=4, **setting))
