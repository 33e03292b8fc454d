"""Which networks a CPU trains well in bfloat16."""

from trainers.models import backbones

# Modules of whose networks `folding` puts every depthwise convolution together with its batch normalization
_FOLDED = {"mobilenet", "mobilenet_v2", "mobilenet_v3", "efficientnet", "efficientnet_v2", "efficientnet_lite"}
# Those with biases behind grouped convolutions and Dense layers at each place, whose gradients TensorFlow adds up in
# bfloat16 (`precision.cpu_has_bfloat16`); of KerasHub's the transformers
_INEXACT = {"convnext", "hub"}


def suits(backbone: str, *, is_folded: bool) -> bool:
    """Whether a network is fast and exact in bfloat16 on a CPU that computes in it.

    TensorFlow's gradients of depthwise convolutions are several times slower in it, but for those that are folded,
    which are computed in float32.

    Args:
      backbone: its name, or a saved model.
      is_folded: whether its batch normalization is frozen, and folded.

    Raises:
      UserError: an unknown name, or a saved model that cannot be read.
    """
    name = backbones.module(backbone)
    is_fast = not backbones.is_depthwise(backbone) or (is_folded and name in _FOLDED)
    return is_fast and name not in _INEXACT
