"""Faults of KerasHub 0.32 that come to light where the blocks of its networks are layers of a graph.

What they compute is left as it is, so that a model that is saved here gives the same without this module.
"""

import functools
from typing import Any

import keras


@functools.cache  # once in a process
def repair() -> None:
    """Mends the classes of KerasHub that need it; a test pins each fault."""
    from keras_hub.src.models.deit import deit_layers
    from keras_hub.src.models.dinov2 import dinov2_layers
    from keras_hub.src.models.siglip import siglip_layers
    from keras_hub.src.models.swin_transformer import swin_transformer_layers

    _give_tensors(deit_layers.DeiTEncoderBlock)
    _take_training(dinov2_layers.DINOV2Embedding)
    _count_patches(siglip_layers.SigLIPVisionEmbedding)
    _describe_norm(swin_transformer_layers.PatchEmbedding)
    _count_merged(swin_transformer_layers.PatchMerging)


def _give_tensors(block: Any) -> None:
    """A block of DeiT gives None beside its result, which no layer of a graph may: nothing of a tensor, as its encoder
    does."""
    call = block.call

    @functools.wraps(call)
    def called(self: Any, hidden_states: Any, **options: Any) -> Any:
        result, scores = call(self, hidden_states, **options)
        return result, keras.ops.zeros((0,)) if scores is None else scores

    block.call = called


def _take_training(embedding: Any) -> None:
    """The embedding of DINOv2 takes `training` when it is called and not when its shape is asked for."""
    spec = embedding.compute_output_spec
    embedding.compute_output_spec = lambda self, inputs, **options: spec(self, inputs)


def _count_patches(embedding: Any) -> None:
    """The embedding of SigLIP says that it gives a token more than there are patches."""
    embedding.compute_output_shape = lambda self, shape: (shape[0], self.num_positions, self.hidden_dim)


def _count_merged(merging: Any) -> None:
    """The layer of Swin that merges patches does not say how many there are afterwards."""

    def spec(self: Any, x: Any, H: int, W: int) -> keras.KerasTensor:
        merged = ((H + 1) // 2) * ((W + 1) // 2)
        return keras.KerasTensor((x.shape[0], merged, 2 * x.shape[-1]), dtype=self.compute_dtype)

    merging.compute_output_spec = spec


def _describe_norm(embedding: Any) -> None:
    """The embedding of Swin takes the class of its normalization for a layer where its configuration is asked for."""

    def get_config(self: Any) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("patch_size", "embed_dim") if hasattr(self, name)}
        return {**keras.layers.Layer.get_config(self), **plain}

    embedding.get_config = get_config
