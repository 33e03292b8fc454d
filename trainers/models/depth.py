"""How far a layer of the base lies below the head, in a measure that is the same for every network."""

from typing import Any

import keras

from trainers.models import folding
from trainers.models.classifier import base_of
from trainers.models.layer_names import layers_of

# As many as the base models of ELECTRA and BEiT have blocks, and as ConvNeXt's groups, so that their decays carry over.
BLOCKS = 12


def depths(base: keras.Model) -> dict[int, int]:
    """The depth of each layer of a base by the layer's identity: from 1 next to the head to 12 at the pixels.

    The base is cut into twelve blocks along the way from the pixels to the features, each as long as the others in
    layers with a kernel, counted along the longest path. What has no kernel, such as batch normalization, belongs to
    the layer before it. Neither names matter nor how many layers there are: where there are twelve, each is a block;
    four are 10, 7, 4 and 1 deep.
    """
    levels: dict[int, int] = {}
    count = max(1, _levels(base, 0, levels))
    return {layer: 1 + (count - max(level, 1)) * BLOCKS // count for layer, level in levels.items()}


def rate_factors(model: keras.Model, decay: float) -> list[float]:
    """What the learning rate of each trainable variable of a classifier is multiplied by: decay to the depth of its
    layer, as in ELECTRA (Clark et al., 2020, arXiv:2003.10555) and BEiT (Bao et al., 2021, arXiv:2106.08254).

    The head's depth is 0.
    """
    base = base_of(model)
    of_layer = depths(base)
    factors: dict[int, float] = {}
    for layer in layers_of(base):
        factors |= {id(variable): decay ** of_layer.get(id(layer), 0) for variable in layer.trainable_variables}
    return [factors.get(id(variable), 1.0) for variable in model.trainable_variables]


def _levels(graph: keras.Model, before: int, found: dict[int, int]) -> int:
    """Notes how many layers with a kernel lead to each layer, itself included; returns how many lead to the end.

    Args:
      graph: of layers, and of models of layers.
      before: layers with a kernel that lead to its input.
      found: by the layer's identity; of a layer that is called twice, the first call.
    """
    graph = folding.as_graph(graph)
    levels = {id(tensor): before for tensor in graph.inputs}
    for node in folding.nodes_of(graph):
        level = max([levels[id(tensor)] for tensor in node.input_tensors], default=before)
        layer = node.operation
        if folding.is_graph(layer):
            level = _levels(layer, level, found)
        else:
            level += _has_kernel(layer)
            for part in layers_of(layer) if isinstance(layer, keras.Model) else [layer]:
                found.setdefault(id(part), level)
        levels.update((id(tensor), level) for tensor in node.outputs)
    return max(levels[id(tensor)] for tensor in graph.outputs)


def _has_kernel(layer: Any) -> bool:
    return any(len(variable.shape) > 1 for variable in getattr(layer, "weights", ()))
