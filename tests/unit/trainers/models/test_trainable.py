"""Which layers train in which phase: the notebook's tables."""

import keras
import pytest

from trainers.config import PHASES, ModelConfig, TrainConfig, TrainingConfig, sequence
from trainers.models.classifier import base_of, build_classifier
from trainers.models.trainable import layer_table, set_trainable

_NOTEBOOK_HEAD = {"pooling": "flatten", "dense_units": 1024, "dropout": 0.5}
_VGG16_LAYERS = [
    *("input_layer", "block1_conv1", "block1_conv2", "block1_pool", "block2_conv1", "block2_conv2", "block2_pool"),
    *("block3_conv1", "block3_conv2", "block3_conv3", "block3_pool", "block4_conv1", "block4_conv2"),
    *("block4_conv3", "block4_pool", "block5_conv1", "block5_conv2", "block5_conv3", "block5_pool"),
]


@pytest.fixture(scope="module")
def notebook():
    config = TrainConfig(
        model=ModelConfig(backbone="VGG16", weights="none", **_NOTEBOOK_HEAD),
        training=TrainingConfig(unfreeze=("block4", "block5")),
    )
    return config, build_classifier(config.model, num_classes=3, image_size=224, policy="float32")


def test_transfer_trains_the_head_alone(notebook):
    config, network = notebook
    set_trainable(network, PHASES["transfer"], config.model, unfreeze=config.training.unfreeze)
    base = base_of(network)
    assert base.layers[0].name.startswith("input")
    assert [layer.name for layer in base.layers][1:] == _VGG16_LAYERS[1:]
    assert {layer.trainable for layer in base.layers} == {False}
    trainable = sum(weight.shape.num_elements() for weight in (v.value for v in network.trainable_variables))
    assert trainable == 25_694_211  # 25088 * 1024 + 1024 + 1024 * 3 + 3


def test_finetune_trains_block4_and_block5(notebook):
    config, network = notebook
    set_trainable(network, PHASES["finetune"], config.model, unfreeze=config.training.unfreeze)
    # the notebook's second table: True for block4* and block5*, False for the rest
    table = {layer.name: layer.trainable for layer in base_of(network).layers}
    assert {name for name, trains in table.items() if trains} == {
        n for n in _VGG16_LAYERS if n[:6] in ("block4", "block5")
    }
    trainable = sum(weight.shape.num_elements() for weight in (v.value for v in network.trainable_variables))
    assert trainable == 38_673_411
    text = layer_table(network)
    assert "trains  block4_conv1" in text
    assert "frozen  block3_conv3" in text
    assert "38,673,411 of 40,408,899 parameters train" in text


def test_a_prefix_that_names_no_layer_is_refused(notebook):
    config, network = notebook
    with pytest.raises(ValueError, match=r"no layer starts with 'block6'. It has .*block5"):
        set_trainable(network, PHASES["finetune"], config.model, unfreeze=("block4", "block6"))


@pytest.fixture(scope="module")
def mobile():
    """A network with batch normalization, of random weights."""
    model = ModelConfig(backbone="MobileNetV2", backbone_args={"alpha": 0.35}, weights="none")
    return build_classifier(model, num_classes=2, image_size=32, policy="float32")


@pytest.mark.parametrize(
    ("settings", "phase", "trains"),
    [
        ({"weights": "none"}, "finetune", True),  # random weights: statistics have to be learned
        ({"weights": "none", "train_batch_norm": False}, "finetune", False),
        ({"weights": "none", "train_batch_norm": True}, "transfer", False),  # a frozen base is frozen
        ({"weights": "none"}, "pretrain", True),
    ],
)
def test_batch_normalization_of_the_base(mobile, settings, phase, trains):
    config = TrainConfig(model=ModelConfig(backbone="MobileNetV2", backbone_args={"alpha": 0.35}, **settings))
    set_trainable(mobile, PHASES[phase], config.model, unfreeze=config.training.unfreeze)
    layers = [x for x in base_of(mobile).layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {layer.trainable for layer in layers} == {trains}


def test_batch_normalization_of_trained_weights_stays_in_inference_mode(mobile, tmp_path):
    base_of(mobile).save_weights(tmp_path / "base.weights.h5")
    settings = ModelConfig("MobileNetV2", {"alpha": 0.35}, weights=str(tmp_path / "base.weights.h5"))
    config = TrainConfig(model=settings)
    network = build_classifier(config.model, num_classes=2, image_size=32, policy="float32")
    set_trainable(network, PHASES["finetune"], config.model, unfreeze=config.training.unfreeze)
    statistics = [w for w in network.weights if "moving_mean" in w.name]
    before = [w.numpy().copy() for w in statistics]
    network(keras.random.uniform((4, 32, 32, 3)) * 255, training=True)
    assert all((w.numpy() == b).all() for w, b in zip(statistics, before, strict=True))
    assert network.get_layer("logits").trainable


def test_phases_lead_to_one_another():
    assert [phase.name for phase in sequence("finetune")] == ["transfer", "finetune"]
    assert [phase.name for phase in sequence("transfer")] == ["transfer"]
    assert [phase.name for phase in sequence("pretrain")] == ["pretrain"]


@pytest.mark.slow
def test_a_trained_classifier_serves_as_backbone_layer_by_layer(mobile, tmp_path):
    config = TrainConfig(model=ModelConfig("MobileNetV2", {"alpha": 0.35}, weights="none"))
    set_trainable(mobile, PHASES["transfer"], config.model, unfreeze=config.training.unfreeze)
    mobile.save(tmp_path / "best.keras")
    training = TrainingConfig(unfreeze=("block_16",))
    config = TrainConfig(model=ModelConfig(str(tmp_path / "best.keras")), training=training)
    network = build_classifier(config.model, num_classes=3, image_size=32, policy="float32")
    set_trainable(network, PHASES["finetune"], config.model, unfreeze=config.training.unfreeze)
    trains = {line.split()[1] for line in layer_table(network).splitlines() if line.split()[0] == "trains"}
    assert trains == {"block_16_expand", "block_16_depthwise", "block_16_project", "logits"}  # no batch normalization
