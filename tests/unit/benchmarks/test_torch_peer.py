"""PyTorch as a peer: the counterparts, the process that is asked, and that both sides train the same."""

import math
import os
import re
import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.harness import networks
from benchmarks.sides import ours, peer, peer_process
from tests import ROOT
from trainers.models.classifier import base_of
from trainers.runtime.devices import make_strategy

_PYTHON = ROOT / ".venv-torch" / "bin" / "python"


def _network(backbone, backbone_args=None, batch_size=2, image_size=64):
    flags = SimpleNamespace(
        backbone_args=backbone_args, weights="none", quick=False, image_size=image_size, batch_size=batch_size
    )
    return networks.create(backbone, flags)


@pytest.mark.parametrize(
    ("backbone", "arguments", "name"),
    [
        ("VGG16", None, "vgg16"),
        ("MobileNetV2", None, "mobilenetv2_035"),  # the benchmarks' default
        ("MobileNetV2", '{"alpha": 1.0}', "mobilenetv2_100"),
        ("MobileNetV2", '{"alpha": 1}', "mobilenetv2_100"),
        ("EfficientNetLite0", None, "tf_efficientnet_lite0"),
        ("EfficientNetV2B0", None, "tf_efficientnetv2_b0"),
        ("EfficientNetV2S", None, "tf_efficientnetv2_s"),
        ("MobileNetV3Large", None, "tf_mobilenetv3_large_100"),
    ],
)
def test_a_backbone_has_its_name_in_timm(backbone, arguments, name):
    assert peer.counterpart(_network(backbone, arguments))[0] == name


@pytest.mark.parametrize(
    ("backbone", "arguments"),
    [
        ("NASNetMobile", None),
        ("MobileNetV2", '{"alpha": 0.4}'),
        ("MobileNetV3Large", '{"alpha": 0.75}'),
        ("MobileNetV3Small", '{"minimalistic": true}'),
    ],
)
def test_a_backbone_without_counterpart_is_a_line_that_names_those_with_one(backbone, arguments):
    with pytest.raises(ValueError, match=rf"no {backbone} .*in timm; .*VGG16.*MobileNetV2 with alpha=0\.35") as refused:
        peer.counterpart(_network(backbone, arguments))
    assert "\n" not in str(refused.value)


def test_our_packages_and_libraries_do_not_reach_the_peer():
    ours_ = {"PATH": "/bin", "PYTHONPATH": "/tensorflow", "LD_LIBRARY_PATH": "/cuda", "CUDA_VISIBLE_DEVICES": "1"}
    theirs = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "PYTHONSAFEPATH": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    assert peer_process.environment(ours_) == theirs
    assert peer_process.environment({"OMP_WAIT_POLICY": "ACTIVE"})["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("nowhere/python", "nowhere/python: .*No such file"),
        (shutil.which("true"), "true ended with status 0"),
        (shutil.which("echo"), "it says '-W ignore "),
    ],
)
def test_what_is_no_such_python_is_a_line(python, said):
    with pytest.raises(ValueError, match=f"peer_python must be a Python with torch and timm, got .*{said}") as refused:
        peer.Peer(python)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(find_spec("timm") is not None, reason="timm is installed here")
def test_a_python_without_timm_says_what_is_missing():
    with pytest.raises(ValueError, match="No module named 'timm'"):
        peer.Peer(sys.executable)


@pytest.fixture(scope="module")
def torch_peer():
    if not _PYTHON.exists():
        pytest.skip("no .venv-torch: `make torch-peer` makes it")
    with peer.start(str(_PYTHON), on_gpu=False) as running:
        yield running


@pytest.mark.extra_peers
@pytest.mark.parametrize("backbone", ["MobileNetV2", "MobileNetV3Small", "VGG16"])
@pytest.mark.parametrize("phase", ["transfer", "finetune"])
def test_both_sides_train_as_many_parameters(backbone, phase, torch_peer):
    network = _network(backbone)
    run, sizes = torch_peer.build(network, phase, policy="float32", compiled=False, num_classes=3)
    run(2)
    options = {"policy": "float32", "jit_compile": "false", "devices": make_strategy("one_device"), "num_classes": 3}
    model = ours.train_step(network, phase, **options).model
    statistics = re.compile("moving_(mean|variance)")
    base = [variable for variable in base_of(model).weights if not statistics.search(variable.path)]
    assert sizes == {
        "base_parameters": sum(math.prod(variable.shape) for variable in base),
        "trained_parameters": sum(math.prod(variable.shape) for variable in model.trainable_variables),
    }


@pytest.mark.extra_peers
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_forward_pass_runs(policy, torch_peer):
    run, _ = torch_peer.build(_network("MobileNetV2"), "forward", policy=policy, compiled=False, num_classes=3)
    run(2)


@pytest.mark.extra_peers
def test_the_peer_waits_without_computing(torch_peer):
    run, _ = torch_peer.build(_network("MobileNetV2"), "transfer", policy="float32", compiled=False, num_classes=3)

    def used():
        status = Path(f"/proc/{torch_peer._process.pid}/stat").read_text(encoding="utf-8")
        return sum(map(int, status.rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    before = used()
    run(20)
    after = used()
    assert after > before
    time.sleep(1.0)
    assert used() - after < 0.1


@pytest.mark.extra_peers
def test_what_the_peer_cannot_is_a_line_and_it_goes_on(torch_peer):
    options = {"policy": "float32", "compiled": False, "num_classes": 3}
    with pytest.raises(ValueError, match=r"python cannot: RuntimeError: .*memory"):
        torch_peer.build(_network("VGG16", batch_size=10**9), "forward", **options)
    torch_peer.build(_network("MobileNetV2"), "forward", **options)[0](1)
