"""What a network of Keras Applications does to its pixels itself, with its own Rescaling and Normalization layers."""

from collections.abc import Iterable
from typing import Any

import keras

from trainers.models.layer_names import layers_of

_KINDS = (keras.layers.Rescaling, keras.layers.Normalization)
_DEVIATIONS = (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue, of pixels 0..1


def completed(network: keras.Model, *, family: str, policy: str) -> keras.Model:
    """The network with the preprocessing that its ImageNet weights were trained behind, computed in float32.

    Keras gives EfficientNetB0 to B7 a third layer, which divides by the square roots of the deviations, only where it
    fetches the weights itself (tensorflow#49930): weights from a file need it as much, and so does `init_from`.

    Args:
      network: as its constructor built it.
      family: its module of Keras Applications.
      policy: its dtype policy.
    """
    own = _first(network.layers)
    lacks_third = family == "efficientnet" and len(own) == 2
    if not lacks_third and (policy == "float32" or not own):
        return network

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        return type(layer).from_config({**config, "dtype": "float32"} if layer in own else config)

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        result = layer(*arguments, **options)
        if not (lacks_third and isinstance(layer, keras.layers.Normalization)):
            return result
        scale = [value**-0.5 for value in _DEVIATIONS]
        return keras.layers.Rescaling(scale, dtype="float32", name=f"{own[0].name}_1")(result)

    rebuilt = keras.models.clone_model(network, clone_function=clone, call_function=call)
    rebuilt.set_weights(network.get_weights())
    return rebuilt


def without(network: keras.Model) -> keras.Model:
    """The network (the same variables) behind its own preprocessing: its input is what that would have given."""
    own = _first(network.layers)
    return keras.Model(own[-1].output, network.output, name=network.name) if own else network


def of_saved(model: keras.Model) -> list[str]:
    """The names of the layers with which a saved model rescales its pixels, in models inside it too."""
    return [layer.name for layer in _first(layers_of(model))]


def _first(layers: Iterable[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """The layers that rescale, as long as none with other weights came before them."""
    found = []
    for layer in layers:
        if isinstance(layer, _KINDS):
            found.append(layer)
        elif layer.weights:
            break
    return found
