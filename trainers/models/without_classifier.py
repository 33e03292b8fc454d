"""A saved classifier without its classifier: a backbone."""

import keras

from ftdata.errors import UserError
from ftdata.log import log

_TAKEN = ("pixels", "pooling", "dense", "dropout", "logits", "probabilities", "rescale")  # names in the classifier


def without_classifier(model: keras.Model) -> keras.Model:
    """The model up to the features. What follows them is a last dense layer that gives scores or probabilities, with
    its softmax; where there is none the model ends with its features, and is kept to its last layer.

    Raises:
      UserError: it has several inputs or outputs.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UserError(f"backbone {model.name} must have one input and one output")
    name = f"{model.name}_features" if model.name in _TAKEN else model.name
    layers = list(model.layers)
    end, last = model.outputs[0], layers.pop()
    removed = []
    if len(end.shape) != 2:
        last = None  # feature maps
    if isinstance(last, keras.layers.Softmax) or _activation(last) in ("softmax", "sigmoid"):
        removed, end = [last], last.input
        last = layers.pop() if not isinstance(last, keras.layers.Dense) else None
    if isinstance(last, keras.layers.Dense) and _activation(last) == "linear":
        removed, end = [last, *removed], last.input
    if removed:
        names = ", ".join(layer.name for layer in removed)
        log.info(f"note: the classifier of the backbone is removed ({names})")
    return keras.Model(model.inputs[0], end, name=name)


def _activation(layer: keras.layers.Layer | None) -> str:
    """`softmax`, `relu`, ...; empty for a layer that is neither dense nor an activation."""
    if not isinstance(layer, keras.layers.Dense | keras.layers.Activation):
        return ""
    return getattr(layer.activation, "__name__", "")
