"""Steps in which frozen batch normalization is folded: those of the same network without, however it trains."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ftdata.augment.augmentation import Augmentation
from ftdata.config import AugmentConfig
from trainers.config import PHASES, ModelConfig, TrainingConfig
from trainers.evaluation import grad_cam
from trainers.evaluation.step import EvaluationStep
from trainers.models.classifier import build_classifier
from trainers.models.layer_names import layers_of
from trainers.models.trainable import set_trainable
from trainers.runtime.compilation import COMPILE_NOTHING, COMPILE_STEP
from trainers.runtime.devices import make_strategy
from trainers.training.optimizer import build_optimizer, make_optimizer
from trainers.training.step import TrainStep

_SIDE, _BATCH = 16, 8


def _batch():
    """A global batch as the pipeline makes it."""
    generator = np.random.default_rng(0)
    return {
        "image": tf.constant(generator.integers(0, 256, (_BATCH, _SIDE, _SIDE, 3)), tf.uint8),
        "label": tf.constant(np.arange(_BATCH) % 3, tf.int32),
        "weight": tf.ones([_BATCH]),
        "slot": tf.range(_BATCH, dtype=tf.int32),
        "index": tf.range(_BATCH, dtype=tf.int32),
    }


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A saved network of convolutions with batch normalization whose statistics are not those of a fresh layer."""
    layers, generator = keras.layers, np.random.default_rng(0)
    x = inputs = keras.Input((_SIDE, _SIDE, 3))
    x = layers.Rescaling(1 / 255)(x)
    for block in (1, 2):
        x = layers.Conv2D(8, 3, padding="same", use_bias=False, name=f"block{block}_conv")(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(name=f"block{block}_norm1")(x))
        x = layers.DepthwiseConv2D(3, strides=2, padding="same", name=f"block{block}_depthwise")(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(name=f"block{block}_norm2")(x))
    model = keras.Model(inputs, x)
    for layer in layers_of(model):
        if isinstance(layer, layers.BatchNormalization):
            for variable in layer.variables:
                low, high = (0.5, 1.5) if variable.name in ("gamma", "moving_variance") else (-0.2, 0.2)
                variable.assign(generator.uniform(low, high, variable.shape))
    path = tmp_path_factory.mktemp("base") / "base.keras"
    model.save(path)
    return str(path)


def _network(backbone, phase="finetune", unfreeze=("all",)):
    keras.utils.set_random_seed(1)
    config = ModelConfig(backbone, dropout=0.0)
    network = build_classifier(config, num_classes=3, image_size=_SIDE, policy="float32")
    set_trainable(network, PHASES[phase], config, unfreeze=unfreeze)
    return network


def _trained(
    backbone, *, fold, strategy=None, phase="finetune", unfreeze=("all",), micro_batches=1, compiled=COMPILE_NOTHING
):
    """The loss of the second of two steps, and the weights after it."""
    strategy = strategy or tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        network = _network(backbone, phase, unfreeze)
        optimizer = make_optimizer(TrainingConfig(optimizer="sgd"), policy="float32")
        build_optimizer(optimizer, network.trainable_variables)
    step = TrainStep(
        network,
        optimizer,
        strategy=strategy,
        augmentation=Augmentation(AugmentConfig(augment=False), seed=0),
        global_batch=_BATCH,
        label_smoothing=0.0,
        compiled=compiled,
        fold_batch_norm=fold,
        micro_batches=micro_batches,
    )
    each = _BATCH // strategy.num_replicas_in_sync

    def part(context):
        first = context.replica_id_in_sync_group * each
        return {name: value[first : first + each] for name, value in _batch().items()}

    batch = strategy.experimental_distribute_values_from_function(part)
    for number in range(2):
        loss = step(batch, step=number, learning_rate=0.1).numpy()[0]
    return loss, network.get_weights()


@pytest.mark.parametrize(
    "how",
    [
        {},
        pytest.param({"phase": "transfer"}, marks=pytest.mark.slow),
        {"unfreeze": ("block2",), "micro_batches": 4},
        pytest.param({"compiled": COMPILE_STEP}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_training_is_that_without_folding(backbone, how):
    (loss, weights), (plain_loss, plain) = (_trained(backbone, fold=fold, **how) for fold in (True, False))
    assert loss == pytest.approx(plain_loss, rel=1e-5)
    for one, other in zip(weights, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_two_devices_train_as_one_does(backbone):
    strategy = make_strategy("mirrored")
    (loss, weights), (alone_loss, alone) = (_trained(backbone, fold=True, strategy=s) for s in (strategy, None))
    assert loss == pytest.approx(alone_loss, rel=1e-5)
    for one, other in zip(weights, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_evaluation_and_heat_are_those_without_folding(backbone):
    network, strategy = _network(backbone), tf.distribute.OneDeviceStrategy("/cpu:0")
    logits = [
        EvaluationStep(network, strategy=strategy, compiled=COMPILE_NOTHING, fold_batch_norm=fold)(_batch())[1]
        for fold in (True, False)
    ]
    np.testing.assert_allclose(*logits, atol=1e-5)
    images, classes = _batch()["image"].numpy(), np.zeros(_BATCH, np.int32)
    heat = [grad_cam.heat(network, images, classes, fold_batch_norm=fold) for fold in (True, False)]
    np.testing.assert_allclose(*heat, atol=1e-4)
