"""The network as a training step runs it: what is frozen runs as in evaluation."""

import functools
import inspect
from typing import Any

import keras

from trainers.models import folding
from trainers.models.classifier import logits_of
from trainers.models.layer_names import layers_of, within


def create(model: keras.Model, *, fold_batch_norm: bool = False) -> keras.Model:
    """The same network (the same layers and variables) up to the scores, to be called without `training`.

    Every layer has been told whether it trains. It does not in the frozen part of the base, which is all before its
    first trainable layer, with weights or without; it does behind that, and in the head. So no stochastic depth,
    dropout or noise moves features that nothing can adapt to it: the frozen part gives in a training step what it gives
    in evaluation. (Batch normalization that is frozen is in inference mode wherever it stands.)

    Args:
      model: a classifier of this project; `trainable` of its layers decides, as `trainable.set_trainable` has left it.
      fold_batch_norm: whether frozen batch normalization becomes part of the convolution before it.
    """
    base = next((layer for layer in model.layers if isinstance(layer, keras.Model)), None)  # none: it is all head

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        if layer is base:
            return _split(layer, fold=fold_batch_norm)(*arguments, **options)
        return _call_with_training(layer, True, *arguments, **options)

    return _called(logits_of(model), call, fold=fold_batch_norm)


def _split(model: keras.Model, *, fold: bool) -> keras.Model:
    """A model whose input is frozen, its layers told."""
    moving: dict[int, Any] = {}  # the tensors behind a trainable layer, by identity
    told = functools.cache(_told)  # a model that is called twice stays one

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        moves = any(id(tensor) in moving for tensor in keras.tree.flatten((arguments, options)))
        trains = moves or _trains(layer)
        if trains and not moves and isinstance(layer, keras.Model):
            results = _split(layer, fold=fold)(*arguments, **options)
        elif fold and folding.is_graph(layer):
            results = told(layer, trains)(*arguments, **options)
        else:
            results = _call_with_training(layer, trains, *arguments, **options)
        if trains:
            moving.update((id(tensor), tensor) for tensor in keras.tree.flatten(results))
        return results

    return _called(model, call, fold=fold)


def _told(model: keras.Model, trains: bool) -> keras.Model:
    """A model whose layers are all told the same, folded."""
    told = functools.cache(_told)

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        if folding.is_graph(layer):
            return told(layer, trains)(*arguments, **options)
        return _call_with_training(layer, trains, *arguments, **options)

    return _called(model, call, fold=True)


def _trains(layer: Any) -> bool:
    parts = layers_of(layer) if isinstance(layer, keras.Model) else [layer]
    return any(getattr(part, "trainable", False) for part in parts)


def _call_with_training(layer: Any, trains: bool, *arguments: Any, **options: Any) -> Any:
    """Calls a layer, or an operation, which cannot be told."""
    if takes_training(layer):
        told = layer if _has_argument(layer) else _Told(layer)
        return told(*arguments, **{**options, "training": trains})
    return layer(*arguments, **options)


def takes_training(layer: Any) -> bool:
    """Whether a layer, or an operation, may do otherwise in training: it is told, or one that a block of KerasHub's
    holds is."""
    is_block = type(layer).__module__.startswith("keras_hub.")
    return _has_argument(layer) or (is_block and any(_has_argument(part) for part in within(layer)))


def _has_argument(layer: Any) -> bool:
    return "training" in inspect.signature(layer.call).parameters


class _Told(keras.layers.Layer):
    """A layer without an argument `training` that holds some that have one: Keras hands on to them what it is told."""

    def __init__(self, layer: keras.layers.Layer):
        super().__init__(dtype=layer.dtype_policy, autocast=False, name=f"{layer.name}_told")
        self.layer = layer

    @property
    def trainable(self) -> bool:
        """Whether the layer trains."""
        return self.layer.trainable

    def call(self, *arguments: Any, training: Any = None, **options: Any) -> Any:
        """What the layer gives."""
        return self.layer(*arguments, **options)


def _called(model: keras.Model, call: Any, *, fold: bool) -> keras.Model:
    """The same layers called again. What is said to them then stands only while the model is called without `training`:
    Keras lets a `training` that comes from outside overrule it."""
    graph = folding.as_graph(model)
    instead = folding.substitution(graph, inference=False) if fold else lambda layer: layer
    return keras.models.clone_model(graph, clone_function=instead, call_function=call)
