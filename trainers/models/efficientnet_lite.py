"""EfficientNet-Lite0 to 2: EfficientNet without squeeze-and-excitation, with ReLU6 in place of swish.

After Tan and Le, 2019 (arXiv:1905.11946), and Google's variant for phones of 2020 (tensorflow/tpu,
models/official/efficientnet/lite). Stem and head are not scaled, nor is the number of blocks in the first and the last
stage. The constructors take what those of Keras Applications take and this project passes on.
"""

import math
from typing import Any

import keras

from trainers.models import lite_weights

# Kernel side, blocks, stride of the first of them, expansion, channels out.
_STAGES = (
    (3, 1, 1, 1, 16),
    (3, 2, 2, 6, 24),
    (5, 2, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (5, 3, 1, 6, 112),
    (5, 4, 2, 6, 192),
    (3, 1, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280  # channels
_INITIALIZER = {"class_name": "VarianceScaling", "config": {"scale": 2.0, "mode": "fan_out"}}  # as in EfficientNet


def EfficientNetLite0(
    *, include_top: bool, weights: str | None, input_shape: tuple[int | None, int | None, int]
) -> keras.Model:
    """3.4 million weights below the top, trained on images of 224x224.

    Args:
      include_top: keep the classifier of ImageNet's 1000 classes.
      weights: `imagenet`, or None for random ones.
      input_shape: of an image, [height, width, 3].

    Returns:
      A model from (pixels - 127) / 128, [batch, height, width, 3], to features of 1280 channels at a 32nd of the size,
      or to the probabilities of the classes, float32 [batch, 1000].

    Raises:
      UserError: the weights cannot be had.
    """
    return _network("EfficientNetLite0", 1.0, 1.0, include_top=include_top, weights=weights, input_shape=input_shape)


def EfficientNetLite1(
    *, include_top: bool, weights: str | None, input_shape: tuple[int | None, int | None, int]
) -> keras.Model:
    """As `EfficientNetLite0`, deeper: 4.2 million weights below the top, trained on images of 240x240."""
    return _network("EfficientNetLite1", 1.0, 1.1, include_top=include_top, weights=weights, input_shape=input_shape)


def EfficientNetLite2(
    *, include_top: bool, weights: str | None, input_shape: tuple[int | None, int | None, int]
) -> keras.Model:
    """As `EfficientNetLite0`, deeper and wider: 4.9 million weights below the top, trained on images of 260x260."""
    return _network("EfficientNetLite2", 1.1, 1.2, include_top=include_top, weights=weights, input_shape=input_shape)


def _network(
    name: str, width: float, depth: float, *, include_top: bool, weights: str | None, input_shape: Any
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = _normalized(_convolution(inputs, _STEM, 3, strides=2, name="stem"), name="stem")
    number = 0
    for stage, (kernel, blocks, strides, expansion, channels) in enumerate(_STAGES):
        is_end = stage in (0, len(_STAGES) - 1)
        for block in range(blocks if is_end else math.ceil(depth * blocks)):
            first = block == 0
            x = _block(
                x, _rounded(width * channels), kernel, expansion, strides=strides if first else 1, name=f"block{number}"
            )
            number += 1
    x = _normalized(_convolution(x, _HEAD, 1, name="head"), name="head")
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = keras.layers.Dense(
            lite_weights.CLASSES, activation="softmax", dtype="float32", name=lite_weights.CLASSIFIER
        )(x)
    network = keras.Model(inputs, x, name=name)
    if weights == "imagenet":
        lite_weights.fill(network)
    return network


def _block(inputs: Any, channels: int, kernel: int, expansion: int, *, strides: int, name: str) -> Any:
    """An inverted residual (Sandler et al., 2018, arXiv:1801.04381)."""
    x, entering = inputs, inputs.shape[-1]
    if expansion != 1:
        x = _normalized(_convolution(x, expansion * entering, 1, name=f"{name}_expand"), name=f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        kernel,
        strides=strides,
        padding="same",
        use_bias=False,
        depthwise_initializer=_INITIALIZER,
        name=f"{name}_depthwise_conv",
    )(x)
    x = _normalized(x, name=f"{name}_depthwise")
    x = _convolution(x, channels, 1, name=f"{name}_project")
    x = _normalized(x, name=f"{name}_project", is_linear=True)
    return keras.layers.Add(name=f"{name}_add")([x, inputs]) if strides == 1 and channels == entering else x


def _convolution(inputs: Any, channels: int, kernel: int, *, name: str, strides: int = 1) -> Any:
    return keras.layers.Conv2D(
        channels,
        kernel,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=_INITIALIZER,
        name=f"{name}_conv",
    )(inputs)


def _normalized(inputs: Any, *, name: str, is_linear: bool = False) -> Any:
    x = keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(inputs)
    return x if is_linear else keras.layers.ReLU(6.0, name=f"{name}_relu")(x)


def _rounded(channels: float) -> int:
    """To a multiple of 8, and not below nine tenths."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8
