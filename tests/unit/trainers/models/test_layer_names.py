"""Names of layers: the same in every process, and what an entry of --unfreeze takes."""

import json
import signal
import subprocess
import sys
import time

import keras
import pytest

from tests import ROOT
from trainers.config import PHASES, ModelConfig, TrainConfig, TrainingConfig
from trainers.models import backbones, layer_names
from trainers.models.classifier import base_of, build_classifier
from trainers.models.trainable import set_trainable, unfreezing

_NAMES = ["stem_conv", "block_1_expand", "block_1_project", "block_10_expand", "conv2d", "conv2d_9", "conv2d_90", "top"]
_AUTO = ("InceptionV3", "InceptionResNetV2", "Xception")  # of Keras Applications, those that leave names to Keras


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ("block_1", ["block_1_expand", "block_1_project"]),
        ("block_1_", ["block_1_expand", "block_1_project"]),
        ("block_10", ["block_10_expand"]),
        ("block_1_expand", ["block_1_expand"]),
        ("block", ["block_1_expand", "block_1_project", "block_10_expand"]),
        ("conv2d_9", ["conv2d_9"]),
        ("conv2d", ["conv2d"]),  # a whole name
        ("conv2d_", ["conv2d_9", "conv2d_90"]),
        ("st", ["stem_conv"]),
        ("block_2", []),
        ("Block", []),
    ],
)
def test_an_entry_takes_the_layer_it_names_or_those_that_begin_with_it(wanted, taken):
    assert layer_names.taken_by(wanted, _NAMES) == taken


def test_names_count_from_the_beginning_and_the_counters_of_others_go_on():
    keras.layers.Dense(1)
    before = keras.layers.Dense(1).name
    for _ in range(2):
        with layer_names.numbered_afresh():
            assert [keras.layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"]
    number = int(before.rsplit("_", 1)[1])
    assert keras.layers.Dense(1).name == f"dense_{number + 1}"


def _named(*blocks):
    inputs = x = keras.Input((4,))
    for block in blocks:
        x = keras.layers.Dense(2, name=f"block_{block}_dense")(x)
        x = keras.layers.Activation("relu", name=f"block_{block}_relu")(x)
    return keras.Model(inputs, x, name="mine")


def test_what_there_is_ends_with_the_last_layers():
    with pytest.raises(
        ValueError, match=r"no layer starts with 'block_40'. It has .*block_1_, .*block_30_ \(31 in all"
    ):
        layer_names.chosen(_named(*range(1, 31)), ["block_40"])


def test_the_run_says_what_each_entry_took():
    config = TrainConfig(
        model=ModelConfig("MobileNetV2", {"alpha": 0.35}, weights="none"),
        training=TrainingConfig(unfreeze=("block_1", "Conv_1")),
    )
    network = build_classifier(config.model, num_classes=2, image_size=32, policy="float32")
    set_trainable(network, PHASES["finetune"], config.model, unfreeze=config.training.unfreeze)
    trained = [layer.name for layer in base_of(network).layers if layer.trainable]
    assert [name for name in trained if name.startswith("block_")] == [
        *("block_1_expand", "block_1_expand_BN", "block_1_expand_relu", "block_1_pad", "block_1_depthwise"),
        *("block_1_depthwise_BN", "block_1_depthwise_relu", "block_1_project", "block_1_project_BN"),
    ]
    assert unfreezing(network, PHASES["finetune"], config.training.unfreeze) == [
        "unfreeze block_1: 9 layers, 6 of them with weights (block_1_expand to block_1_project_BN)",
        "unfreeze Conv_1: 1 layers, 1 of them with weights (Conv_1)",
    ]
    assert unfreezing(network, PHASES["finetune"], ("all",)) == []


def _base_names(name, **options):
    return [
        layer.name
        for layer in backbones.create(name, image_size=75, weights="none", policy="float32", **options).layers
    ]


@pytest.mark.parametrize("name", [*(pytest.param(name, marks=pytest.mark.slow) for name in _AUTO)])
def test_numbered_names_are_the_same_in_every_process_and_build(name):
    code = (
        "import json, sys; from tests.unit.trainers.models.test_layer_names import _base_names; "
        f"print(json.dumps(_base_names({name!r})))"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    fresh = json.loads(output.stdout.splitlines()[-1])
    assert _base_names(name) == _base_names(name) == fresh


def test_a_network_with_numbered_names_is_built_twice_alike():
    def network(*, include_top, weights, input_shape):
        del include_top, weights
        inputs = keras.Input(input_shape)
        x = keras.layers.Conv2D(2, 3)(inputs)
        x = keras.layers.Conv2D(2, 3)(x)
        return keras.Model(inputs, keras.layers.BatchNormalization()(x))

    keras.layers.Conv2D(2, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "_constructor", lambda _: network)
        built = [_base_names("VGG16")[1:] for _ in range(2)]
    assert built == [["conv2d", "conv2d_1", "batch_normalization"]] * 2


@pytest.mark.slow
def test_a_killed_run_of_inception_trains_the_layers_it_began_with(photo_folder, tmp_path):
    flags = [
        *("--preset=photos", "--backbone=InceptionV3", "--weights=none", "--image_size=75", "--unfreeze=conv2d_90"),
        *(f"--image_dir={photo_folder}", f"--data_dir={tmp_path}", "--batch_size=8", "--steps_per_epoch=2"),
        *("--transfer_epochs=1", "--finetune_epochs=6", "--checkpoint_every_steps=1", "--notensorboard"),
    ]

    def start(name):
        command = [sys.executable, "-m", "trainers.main", *flags, f"--model_dir={tmp_path / name}"]
        return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    with start("killed") as first:
        later = "step-*[1-9]*"  # than the checkpoint of the model it starts from
        while first.poll() is None and not list((tmp_path / "killed/finetune/checkpoints").glob(later)):
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        first.communicate()
    assert first.returncode == -signal.SIGKILL
    said = {}
    for name in ("killed", "alone"):
        with start(name) as run:
            said[name] = run.communicate()[0]
        assert run.returncode == 0, said[name]
    assert "resuming from step" in said["killed"]
    assert all("unfreeze conv2d_90: 1 layers, 1 of them with weights (conv2d_90)" in text for text in said.values())
    ends = [json.loads((tmp_path / name / "finetune/metrics.json").read_text())["weights_sha256"] for name in said]
    assert ends[0] == ends[1]
