"""The preprocessing that the weights of a backbone expect, as layers."""

from typing import Any

import keras

from trainers.models import backbones, widened

# What the weights of each module expect; in Keras Applications, as its own preprocess_input computes it.
# `inside`: the network starts with its own Rescaling or Normalization and takes pixels 0..255, as saved models and
# presets do; `backbones.create` makes it whole, or leaves it out where pixels are rescaled in front.
_PREPROCESSING = {
    **dict.fromkeys(("vgg16", "vgg19", "resnet"), "caffe"),
    **dict.fromkeys(("resnet_v2", "inception_v3", "inception_resnet_v2", "xception", "nasnet"), "tf"),
    **dict.fromkeys(("mobilenet", "mobilenet_v2", "vgg_nano"), "tf"),
    **dict.fromkeys(("efficientnet", "efficientnet_v2", "convnext", "mobilenet_v3", "", "hub"), "inside"),
    "densenet": "torch",
    "efficientnet_lite": "lite",
}


def apply(inputs: Any, *, backbone: str, mode: str) -> Any:
    """Puts the preprocessing in front, as stock Keras layers in float32.

    Of other channels than three each has the constants of the colour that stands for it (`widened.of_channels`); BGR
    they become by the order of the kernels (`widened.kernel`).

    Args:
      inputs: symbolic float32 [batch, height, width, channels], pixels 0..255; of three channels RGB.
      backbone: whose preprocessing.
      mode: `backbone`, or `rescale` for pixels / 255.
    """
    layers, channels = keras.layers, inputs.shape[-1]
    kind = "rescale" if mode == "rescale" else kind_of(backbone)
    if kind == "rescale":
        return layers.Rescaling(1 / 255, dtype="float32", name="rescale")(inputs)
    if kind == "tf":
        return layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="to_plus_minus_one")(inputs)
    if kind == "lite":  # of Google's, in models/official/efficientnet/lite of tensorflow/tpu
        return layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32", name="to_about_one")(inputs)
    if kind == "caffe":  # BGR, the means of ImageNet subtracted, no scaling
        means = [-103.939, -116.779, -123.68]
        if channels != 3:
            means = widened.of_channels(means[::-1], channels)
        bgr = keras.ops.flip(inputs, axis=-1) if channels == 3 else inputs
        return layers.Rescaling(1.0, offset=means, dtype="float32", name="subtract_means")(bgr)
    if kind == "torch":
        mean, deviation = (
            values if channels == 3 else widened.of_channels(values, channels)
            for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        )
        scale = [1 / (255 * value) for value in deviation]
        offset = [-m / value for m, value in zip(mean, deviation, strict=True)]
        return layers.Rescaling(scale, offset=offset, dtype="float32", name="standardize")(inputs)
    return inputs


def kind_of(backbone: str) -> str:
    """`caffe`, `tf`, `torch`, `lite` or `inside`: the preprocessing a backbone's weights expect."""
    return _PREPROCESSING[backbones.module(backbone)]


def is_bgr(backbone: str, *, mode: str) -> bool:
    """Whether `apply` puts the channels of three in the order blue, green, red."""
    return mode != "rescale" and kind_of(backbone) == "caffe"
