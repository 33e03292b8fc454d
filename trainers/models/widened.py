"""A network trained on red, green and blue, made to take another number of channels (`--channels`).

Each channel takes the part of a colour: of three or more channels the first that of red, then green, blue, red, and so
on, with the colour's kernel in the first convolution and its constants in the preprocessing; the channels of one colour
share its kernel evenly. Of one or two channels each takes the sum of the three kernels, divided by the channels, and
the means of the constants. So an image whose channels are all the same grey gives what that grey gives in RGB; of one
or two channels that holds where the preprocessing treats all colours alike.

Where 3 divides the number of channels, and for one channel, this is the rule of timm (`adapt_input_conv` in
timm/models/_manipulate.py, Wightman, 2019: the kernels repeated and scaled by 3 / channels, of one channel summed). For
other numbers that factor changes the sum of the kernels, so that a grey image would no longer give what it gave.
"""

from collections.abc import Sequence

import keras
import numpy as np

from ftdata.errors import UserError
from trainers.models.layer_names import layers_of

_CONSTANTS = ("scale", "offset", "mean", "variance")  # of Rescaling and Normalization, one for each colour


def of_channels(values: Sequence[float], channels: int) -> list[float]:
    """The constants of red, green and blue -> those of the channels."""
    if channels < 3:
        return [float(np.mean(values))] * channels
    return [float(values[channel % 3]) for channel in range(channels)]


def kernel(rgb: np.ndarray, channels: int, *, is_bgr: bool = False) -> np.ndarray:
    """The kernel of a convolution of three channels -> that of more or fewer.

    Args:
      rgb: [height, width, 3, outputs].
      channels: that it shall take.
      is_bgr: whether its three are blue, green and red.

    Returns:
      [height, width, channels, outputs], of the same type.
    """
    rgb = rgb[:, :, ::-1] if is_bgr else rgb
    if channels < 3:
        return np.repeat(rgb.sum(axis=2, keepdims=True) / channels, channels, axis=2).astype(rgb.dtype)
    colour = np.arange(channels) % 3
    alike = np.bincount(colour)[colour]
    return (rgb[:, :, colour] / alike[:, None]).astype(rgb.dtype)


def to_channels(
    network: keras.Model, channels: int, *, backbone: str, is_bgr: bool, is_random: bool = False
) -> keras.Model:
    """The same network with another first convolution, and with constants for the channels in preprocessing inside it.

    Args:
      network: from images [b, height, width, 3].
      channels: other than 3.
      backbone: its name, for messages.
      is_bgr: whether it takes blue, green and red in that order, as `preprocessing.apply` gives them to it.
      is_random: whether its weights are random ones, which then are drawn afresh.

    Raises:
      UserError: it takes other images, or has no first convolution that can be widened.
    """
    if network.input_shape[-1] != 3:
        raise UserError(f"channels={channels} does not fit {backbone}, whose input shape is {network.input_shape}")
    refusal = f"channels={channels} cannot go with {backbone}: "
    name = next(layer.name for layer in network.layers if isinstance(layer, keras.layers.InputLayer))
    entry = keras.Input((*network.input_shape[1:3], channels), name=name, dtype="float32")
    try:
        made = keras.models.clone_model(network, entry, clone_function=lambda layer: _cloned(layer, channels))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{refusal}its first convolution cannot be widened; name a backbone of Keras Applications, or a saved one "
            f"that takes {channels} channels"
        ) from error
    if is_random:
        return made
    for layer, other in zip(layers_of(network), layers_of(made), strict=True):
        values = [
            _value(layer, before, after.shape, channels, is_bgr=is_bgr, refusal=refusal)
            for before, after in zip(layer.get_weights(), other.weights, strict=True)
        ]
        other.set_weights(values)
    return made


def _cloned(layer: keras.layers.Layer, channels: int) -> keras.layers.Layer:
    if isinstance(layer, keras.Sequential):  # which has the shape of its input in its configuration
        return keras.Sequential([_cloned(part, channels) for part in layer.layers], name=layer.name)
    config = layer.get_config()
    if isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization):
        for name in _CONSTANTS:
            if np.size(config.get(name)) == 3:
                config[name] = of_channels(np.ravel(config[name]).tolist(), channels)
    return type(layer).from_config(config)


def _value(
    layer: keras.layers.Layer,
    value: np.ndarray,
    shape: tuple[int, ...],
    channels: int,
    *,
    is_bgr: bool,
    refusal: str,
) -> np.ndarray:
    """What a weight of the widened layer, of a shape, becomes."""
    if value.shape == tuple(shape):
        return value
    if isinstance(layer, keras.layers.Normalization):
        return np.array(of_channels(value.tolist(), channels), value.dtype)
    if type(layer) is keras.layers.Conv2D and value.ndim == 4:
        return kernel(value, channels, is_bgr=is_bgr)
    raise UserError(f"{refusal}{layer.name}, which reads the channels, is no plain convolution")
