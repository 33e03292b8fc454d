"""Floating-point operations of a model, counted from its layers, and how many per second the device can do.

The rule. A multiplication and the addition after it are two operations. Convolutions (depthwise and separable ones
too) and dense layers count; everything else, less than a hundredth in the usual networks, does not. Backward, a
layer's weight gradient costs as much as its forward pass, where it trains; so does the gradient to its input, where
something before it trains and needs it. "Before" is the order of the layers in the model.
"""

import math

import keras
import tensorflow as tf

from benchmarks.harness import timing
from trainers.models.layer_names import layers_of


def forward(model: keras.Model) -> int:
    """Operations of one image's forward pass."""
    return sum(of_layer(layer) for layer in layers_of(model))


def training(model: keras.Model) -> int:
    """Operations of one image's forward and backward pass, by what is trainable now."""
    total, is_behind_trained = 0, False
    for layer in layers_of(model):
        trains = bool(layer.trainable_variables)
        total += of_layer(layer) * (1 + trains + is_behind_trained)
        is_behind_trained = is_behind_trained or trains
    return total


def of_layer(layer: keras.layers.Layer) -> int:
    """Operations of one image's forward pass through a layer: twice its kernel, at each place of the output."""
    names = ("kernel", "depthwise_kernel", "pointwise_kernel")
    if not isinstance(layer, keras.layers.Dense) and "Conv" not in type(layer).__name__:
        return 0
    kernels = [getattr(layer, name) for name in names if getattr(layer, name, None) is not None]
    # the last axis of a kernel's layer is channels: all other axes of the output but the batch are places
    places = math.prod(layer.output.shape[1:-1])
    return sum(2 * math.prod(kernel.shape) * places for kernel in kernels)


def matrix_product(policy: str, *, side: int, products: int = 1) -> timing.Contender:
    """What the device can do at best: multiplies matrices of side x side in the precision of a policy.

    So many products one after the other in one call, each with the result of the one before: a GPU is done with a
    single one sooner than Python with the call.

    `images` are GFLOP, so that a rate is in GFLOP/s. On NVIDIA GPUs from Ampere on, float32 means TensorFloat-32 here,
    as it does in training.
    """
    dtype = {"float32": tf.float32, "mixed_float16": tf.float16, "mixed_bfloat16": tf.bfloat16}[policy]
    left, right = (tf.cast(tf.random.stateless_normal([side, side], seed=[0, seed]), dtype) for seed in (1, 2))
    right *= side**-0.5  # so that the results keep their size

    @tf.function
    def multiply() -> tf.Tensor:
        result = left
        for _ in range(products):
            result = tf.matmul(result, right)
        return result[0, 0]

    return timing.Contender(lambda: multiply().numpy(), images=round(products * 2 * side**3 / 1e9))
