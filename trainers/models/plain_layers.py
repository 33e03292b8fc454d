"""A network in the layers that it is saved in: plain ones, and all that it has learned in the variables that count."""

import contextlib
from collections.abc import Iterator

import keras

from trainers.models.layer_names import within


def is_on(layer: keras.layers.Layer) -> bool:
    """Whether a layer has LoRA."""
    return bool(getattr(layer, "lora_enabled", False))


def weights(model: keras.Model) -> list[keras.Variable]:
    """The weights of the plain layers: all but the factors of LoRA, which are zero once a saved model is loaded."""
    with_lora = [layer for layer in within(model) if is_on(layer)]
    factors = {id(factor) for layer in with_lora for factor in (layer.lora_kernel_a, layer.lora_kernel_b)}
    return [weight for weight in model.weights if id(weight) not in factors]


def settle_positions(model: keras.Model) -> None:
    """Makes a DINOv2 that is about to be saved say in both of its tables of positions what it has learned: KerasHub
    loads the one that it does not train, and brings it up to date at saving only where the sum of the changes is
    positive."""
    for part in within(model):
        if hasattr(part, "interpolated_position_embeddings"):
            part.position_embeddings.assign(part.interpolated_position_embeddings)


@contextlib.contextmanager
def as_plain(model: keras.Model) -> Iterator[None]:
    """Lets Keras save layers with LoRA as plain ones while the block runs: a layer at the top of a graph would ask for
    LoRA again where it is loaded, and a convolution would round its kernel to the type that it computes in."""
    layers = [layer for layer in within(model) if is_on(layer)]
    ranks = [layer.lora_rank for layer in layers]
    kernels = {id(layer): layer._kernel.numpy() for layer in layers}
    for layer in layers:
        merged = layer._kernel + keras.ops.matmul(layer.lora_kernel_a, layer.lora_kernel_b)
        layer._kernel.assign(merged)
        layer.lora_enabled, layer.lora_rank = False, None
    try:
        yield
    finally:
        for layer, rank in zip(layers, ranks, strict=True):
            layer._kernel.assign(kernels[id(layer)])
            layer.lora_enabled, layer.lora_rank = True, rank
