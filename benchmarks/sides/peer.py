"""The same networks in PyTorch with timm: `torch_worker.py` in a Python of its own, one request at a time."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness.networks import Network
from benchmarks.sides.peer_process import PeerProcess

EXCLUDED = (
    "PyTorch {torch} with timm {timm} trains the same architecture on a batch that rests on the device, "
    "without augmentation and class weights, which ours includes: compare its rows with ours of the batch on the "
    "device. Compiled is torch.compile; lower precision is torch.autocast, over the head too."
)
_SCRIPT = Path(__file__).with_name("torch_worker.py")
_DROPPED_BRANCHES = {"drop_path_rate": 0.2}  # Keras's default for its EfficientNets; timm's is 0

# Keras Applications -> timm: the name, and what its constructor is told
_NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "ConvNeXtTiny": ("convnext_tiny", {}),
    "DenseNet121": ("densenet121", {}),
    **{f"EfficientNetB{n}": (f"tf_efficientnet_b{n}", _DROPPED_BRANCHES) for n in range(8)},
    **{f"EfficientNetLite{n}": (f"tf_efficientnet_lite{n}", {}) for n in range(3)},
    **{f"EfficientNetV2B{n}": (f"tf_efficientnetv2_b{n}", _DROPPED_BRANCHES) for n in range(4)},
    **{f"EfficientNetV2{size}": (f"tf_efficientnetv2_{size.lower()}", _DROPPED_BRANCHES) for size in "SML"},
    "MobileNetV2": ("mobilenetv2_100", {}),
    "MobileNetV3Large": ("tf_mobilenetv3_large_100", {}),
    "MobileNetV3Small": ("tf_mobilenetv3_small_100", {}),
    "ResNet50": ("resnet50", {}),
    "VGG16": ("vgg16", {}),
}
_BY_WIDTH = {
    ("MobileNetV2", 0.35): "mobilenetv2_035",
    ("MobileNetV2", 0.5): "mobilenetv2_050",
    ("MobileNetV2", 1.4): "mobilenetv2_140",
}
_BLOCKS = {  # of Keras: how timm's parameters begin
    ("VGG16", "block4"): ["features.17.", "features.19.", "features.21."],
    ("VGG16", "block5"): ["features.24.", "features.26.", "features.28."],
}


def counterpart(network: Network) -> tuple[str, dict[str, Any]]:
    """timm's name of the backbone, and the arguments of its constructor.

    Raises:
      ValueError: there is none.
    """
    backbone, arguments = network.model.backbone, dict(network.model.backbone_args or {})
    width = arguments.pop("alpha", 1.0)
    name, options = _NETWORKS.get(backbone, ("", {}))
    name = name if width == 1 else _BY_WIDTH.get((backbone, width), "")
    if not name or arguments:
        widths = ", ".join(f"{backbone} with alpha={width}" for backbone, width in _BY_WIDTH)
        raise ValueError(f"peer_python: no {network.name} in timm; there are {', '.join(_NETWORKS)}, and {widths}")
    return name, options


class Peer(PeerProcess):
    """A running `torch_worker.py`.

    Args:
      python: path of an interpreter with torch and timm.

    Raises:
      ValueError: it is none.
    """

    def __init__(self, python: str):
        super().__init__(python, _SCRIPT, needs=("torch", "timm"))

    def build(
        self, network: Network, phase: str, *, policy: str, compiled: bool, num_classes: int
    ) -> tuple[Callable[[int], None], dict[str, int]]:
        """Builds a network and runs it once.

        Args:
          phase: `transfer`, `finetune`, or `forward`.
          policy: the dtype policy whose like torch.autocast does.
          compiled: by torch.compile.
          num_classes: of the head.

        Returns:
          What runs so many steps, and `base_parameters` and `trained_parameters`.

        Raises:
          ValueError: no such network, or it does not run.
        """
        name, arguments = counterpart(network)
        model = network.model
        built = self.ask(
            build={
                "network": name,
                "arguments": arguments,
                "phase": phase,
                "trains": _trained(network) if phase == "finetune" else [],
                "precision": policy,
                "compile": compiled,
                "image_size": network.image_size,
                "batch_size": network.batch_size,
                "num_classes": num_classes,
                "pooling": model.pooling,
                "dense_units": model.dense_units,
                "dropout": model.dropout,
            }
        )
        number = built.pop("model")

        def run(steps: int) -> None:
            self.ask(run=number, steps=steps)

        return run, built


def _trained(network: Network) -> list[str]:
    """How the names of the parameters begin that fine-tuning trains."""
    if network.unfreeze == ("all",):
        return [""]
    return [start for block in network.unfreeze for start in _BLOCKS[network.model.backbone, block]]


@contextlib.contextmanager
def start(python: str | None, *, on_gpu: bool) -> Iterator[Peer | None]:
    """A peer that ends with the block; None where no Python is given.

    Raises:
      ValueError: no such Python, or its torch uses another kind of device than we do.
    """
    if not python:
        yield None
        return
    with contextlib.closing(Peer(python)) as peer:
        device = "cuda" if on_gpu else "cpu"
        if peer.about["device"] != device:
            raise ValueError(f"peer_python: torch of {python} would compute on {peer.about['device']}, we on {device}")
        yield peer
