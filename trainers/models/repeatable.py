"""Whether a GPU can compute the gradients of a network with the same bits every time."""

import keras

from ftdata.errors import UserError
from trainers.models.layer_names import layers_of, within

_DEPTHWISE = (
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


def without_repeatable_gradient(model: keras.Model) -> list[str]:
    """Names of the layers that train and whose gradient no deterministic kernel of TensorFlow's computes on a GPU.

    Those are depthwise convolutions in float32 and float64 (TensorFlow 2.21 raises UnimplementedError); in half
    precision cuDNN computes them, with the same bits every time.
    """
    return [
        layer.name
        for outer in layers_of(model)
        for layer in within(outer)
        if isinstance(layer, _DEPTHWISE) and layer.trainable and layer.compute_dtype in ("float32", "float64")
    ]


def check_repeatable(model: keras.Model, phase: str) -> None:
    """Refuses what a GPU cannot train with `--deterministic`; `model` as the phase trains it.

    Raises:
      UserError: names the layers and the ways out.
    """
    if names := without_repeatable_gradient(model):
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise UserError(
            f"--deterministic cannot be had in {phase}: TensorFlow has no deterministic GPU kernel for the gradient of "
            f"depthwise convolutions in float32 ({shown}). Use --mixed_precision=mixed_bfloat16 or mixed_float16, "
            "where it has one, or leave them frozen (--unfreeze), or do without --deterministic"
        )
