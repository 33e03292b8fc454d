"""A network in two: what is frozen, whose results can be computed once for each image, and the rest.

The cut goes through the last tensor that every path from the pixels passes before the first layer that trains. What
draws at random in training, as dropout in the head does, lies behind it.
"""

import collections
import hashlib
import json
from typing import Any, NamedTuple

import keras
import numpy as np

from trainers.models import folding
from trainers.models.classifier import logits_of
from trainers.models.layer_names import layers_of
from trainers.models.training_graph import takes_training


class Cut(NamedTuple):
    """Both parts of a classifier, of its own layers and variables.

    `prefix` maps images, float32 [b, side, side, 3], pixels 0..255, to features [b, ...]; it gives in training what it
    gives in evaluation. `suffix` maps those to logits, [b, num_classes].
    """

    prefix: keras.Model
    suffix: keras.Model


def cut(model: keras.Model) -> Cut | None:
    """Cuts a classifier below the first layer that trains; None where nothing with weights lies below it.

    Args:
      model: a classifier of this project; `trainable` of its layers decides, as `trainable.set_trainable` has left it.
    """
    parts = _cut(logits_of(model), is_head=True)
    if parts is None or not any(_has_learned(layer) for layer in layers_of(parts.prefix)):
        return None
    return parts


def fingerprint(prefix: keras.Model) -> str:
    """A digest of a prefix's structure and weights: what is computed alike has the same, whatever its layers' names."""
    digest = hashlib.sha256(json.dumps(_structure(prefix), sort_keys=True, default=repr).encode())
    for weight in prefix.weights:
        if weight.name != "seed_generator_state":  # moves, and is not used where nothing is drawn
            value = np.asarray(weight.numpy())
            digest.update(f"{weight.name} {value.dtype} {value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _cut(graph: keras.Model, *, is_head: bool = False) -> Cut | None:
    """Cuts a graph; None where the first of its layers trains.

    Args:
      graph: from one tensor to one.
      is_head: whether its layers, models inside it aside, are told that they train, with weights or without.
    """
    start, end = graph.inputs[0], graph.outputs[0]
    front = _Front(graph)
    best = start
    told: set[int] = set()  # the tensors behind a layer that is told that it trains
    for node in folding.nodes_of(graph):
        layer, is_behind = node.operation, any(id(tensor) in told for tensor in _inputs(node))
        is_told = is_behind or _is_told(layer, is_head=is_head)
        if _trains(layer, is_told=is_told):
            can_be_cut = folding.is_graph(layer) and front.is_only_use(best) and not is_behind
            parts = _cut(folding.as_graph(layer)) if can_be_cut else None
            if parts:
                return _around(parts, start, best, node.outputs[0], end)
            break
        if is_told and not is_head:
            told.update(id(tensor) for tensor in node.outputs)
        front.passes(node)
        best = best if front.narrowest is None else front.narrowest
    if best is start:
        return None
    return Cut(keras.Model(start, best, name="prefix"), keras.Model(best, end, name="suffix"))


class _Front:
    """The tensors of a graph that are computed and still to be used, while its calls are passed in order."""

    def __init__(self, graph: keras.Model):
        self._uses = collections.Counter(id(tensor) for tensor in graph.outputs)
        for node in folding.nodes_of(graph):
            self._uses.update(id(tensor) for tensor in _inputs(node))
        self._tensors = {id(tensor): tensor for tensor in graph.inputs}

    def passes(self, node: Any) -> None:
        """A call was made."""
        for tensor in _inputs(node):
            self._uses[id(tensor)] -= 1
        made = {**self._tensors, **{id(tensor): tensor for tensor in node.outputs}}
        self._tensors = {key: tensor for key, tensor in made.items() if self._uses[key]}

    @property
    def narrowest(self) -> Any | None:
        """The only tensor, where there is but one."""
        return next(iter(self._tensors.values())) if len(self._tensors) == 1 else None

    def is_only_use(self, tensor: Any) -> bool:
        """Whether but one call is left that uses what is there, and it is `tensor` that it uses."""
        return self.narrowest is tensor and self._uses[id(tensor)] == 1


def _around(parts: Cut, start: Any, before: Any, behind: Any, end: Any) -> Cut:
    """Both parts of a graph whose model inside it is cut: it maps `before` to `behind`."""
    features = parts.prefix(before)
    inputs = keras.Input(features.shape[1:], dtype=features.dtype, name="features")
    results = parts.suffix(inputs)
    if behind is not end:
        results = keras.Model(behind, end)._run_through_graph(results)  # the same layers, at the same level
    return Cut(keras.Model(start, features, name="prefix"), keras.Model(inputs, results, name="suffix"))


def _inputs(node: Any) -> list[Any]:
    """The tensors that a call takes, each once."""
    return list({id(tensor): tensor for tensor in node.input_tensors}.values())


def _is_told(layer: Any, *, is_head: bool) -> bool:
    """Whether `training_graph` tells a layer, or one in a model, that it trains."""
    if isinstance(layer, keras.Model):
        return any(part.trainable for part in layers_of(layer))
    return is_head or getattr(layer, "trainable", False)


def _trains(layer: Any, *, is_told: bool) -> bool:
    """Whether what a layer, or an operation, gives changes while a phase trains."""
    return bool(getattr(layer, "trainable_variables", ())) or (is_told and takes_training(layer))


def _has_learned(layer: keras.layers.Layer) -> bool:
    return bool(layer.weights) and not isinstance(layer, keras.layers.Normalization)


def _structure(graph: keras.Model) -> list[Any]:
    """The calls of a graph in order, with what identifies each but for names."""
    places = {id(tensor): number for number, tensor in enumerate(graph.inputs)}
    calls = []
    for node in folding.nodes_of(graph):
        layer = node.operation
        if not node.is_input:
            inside = _structure(folding.as_graph(layer)) if folding.is_graph(layer) else _nameless(layer)
            arguments = keras.tree.map_structure(
                lambda value: f"tensor {places[id(value)]}" if isinstance(value, keras.KerasTensor) else repr(value),
                (node.arguments.args, node.arguments.kwargs),
            )
            calls.append([type(layer).__module__, type(layer).__qualname__, inside, arguments])
        for tensor in node.outputs:
            places.setdefault(id(tensor), len(places))
    return calls


def _nameless(layer: Any) -> dict[str, Any]:
    """The configuration of a layer, or an operation, without what does not change what it computes."""
    return {name: value for name, value in layer.get_config().items() if name not in ("name", "trainable")}
