"""Layers of KerasHub that hold the blocks of a network in a row, as the blocks that they are.

An encoder of a vision transformer is one layer of KerasHub's graph. Freezing, cutting and learning rates go by block,
so that the graph is unrolled where it is looked at or called again; what is saved is the network as KerasHub made it.
"""

from typing import Any

import keras

# By class: the attributes with the layers that it calls one after another. A test calls each both ways.
_STACKS = {
    "ViTEncoder": ("dropout", "encoder_layers", "layer_norm"),
    "DeiTEncoder": ("encoder_layers", "layer_norm"),
    "DINOV2Encoder": ("layers",),
    "DINOV3Encoder": ("layers",),
    "SwinTransformerStage": ("blocks", "downsample"),
    "HGNetV2Encoder": ("stages_list",),
}
_GIVES_ALL = "HGNetV2Encoder"  # its input, and what each of its parts gives


def parts_of(layer: Any) -> list[keras.layers.Layer]:
    """The blocks of a layer, in the order in which it calls them; empty for a layer that is no stack of blocks."""
    if not type(layer).__module__.startswith("keras_hub."):
        return []
    found = []
    for attribute in _STACKS.get(type(layer).__name__, ()):
        value = getattr(layer, attribute)
        found += list(value) if isinstance(value, list | tuple) else [value] if value is not None else []
    for part in found:
        if type(layer).__name__ == "SwinTransformerStage" and not part.name.startswith(layer.name):
            part.name = f"{layer.name}_{part.name}"  # each stage counts its blocks from 0
    return found


def has_stacks(graph: keras.Model) -> bool:
    """Whether a graph holds such layers, models inside it aside."""
    return any(parts_of(layer) for layer in graph.layers)


def unrolled(graph: keras.Model) -> keras.Model:
    """The same network (the same variables) as a graph in which each block is a layer; models inside it as they are."""
    made = keras.models.clone_model(graph, clone_function=lambda layer: layer, call_function=_call)
    for layer in made.layers:
        if isinstance(layer, keras.layers.InputLayer):  # Keras makes new ones
            layer.trainable = False
    return made


def _call(layer: Any, *arguments: Any, **options: Any) -> Any:
    parts = parts_of(layer)
    if not parts:
        return layer(*arguments, **options)
    results = [arguments[0]]
    for part in parts:
        is_merging = type(part).__name__ == "PatchMerging"
        given = dict(zip("HW", layer.input_resolution, strict=True)) if is_merging else options
        result = part(results[-1], **given)
        results.append(result[0] if isinstance(result, tuple) else result)
    return tuple(results) if type(layer).__name__ == _GIVES_ALL else results[-1]
