"""Tiny networks of every family of KerasHub's, and presets of them made on the spot."""

from pathlib import Path
from typing import Any

SIDE = 32
_VIT = {"image_shape": (SIDE, SIDE, 3), "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16}
_CONVOLUTIONS = {  # of MobileNetV3
    "stackwise_expansion": [[16], [24, 24]], "stackwise_num_blocks": [1, 2], "stackwise_num_filters": [[16], [24, 24]],
    "stackwise_kernel_size": [[3], [5, 5]], "stackwise_num_strides": [[2], [2, 1]],
    "stackwise_se_ratio": [[None], [0.25, 0.25]], "stackwise_activation": [["relu"], ["hard_swish", "hard_swish"]],
    "stackwise_padding": [[1], [2, 2]], "output_num_filters": 32, "depthwise_filters": 16, "depthwise_stride": 2,
    "depthwise_residual": False, "last_layer_filter": 32, "image_shape": (None, None, 3),
}  # fmt: skip
_MULTI = {  # of MobileNetV5
    "stackwise_block_types": [["er"], ["uir", "mqa"]], "stackwise_num_blocks": [1, 2],
    "stackwise_num_filters": [[16], [24, 24]], "stackwise_strides": [[2], [2, 1]],
    "stackwise_act_layers": [["relu"], ["relu", "relu"]], "stackwise_exp_ratios": [[2.0], [2.0, 0.0]],
    "stackwise_se_ratios": [[0.0], [0.0, 0.0]], "stackwise_dw_kernel_sizes": [[0], [5, 0]],
    "stackwise_dw_start_kernel_sizes": [[0], [0, 0]], "stackwise_dw_end_kernel_sizes": [[0], [0, 0]],
    "stackwise_exp_kernel_sizes": [[3], [0, 0]], "stackwise_pw_kernel_sizes": [[1], [0, 0]],
    "stackwise_num_heads": [[0], [0, 2]], "stackwise_key_dims": [[0], [0, 8]], "stackwise_value_dims": [[0], [0, 8]],
    "stackwise_kv_strides": [[0], [0, 1]], "stackwise_use_cpe": [[False], [False, False]],
    "num_features": 32, "msfa_output_resolution": 4,
}  # fmt: skip
_RESNET = {
    "input_conv_filters": [8, 8, 16], "input_conv_kernel_sizes": [3, 3, 3], "stackwise_num_filters": [64, 16],
    "stackwise_num_blocks": [1, 1], "stackwise_num_strides": [1, 2], "block_type": "basic_block_vd",
}  # fmt: skip
_HGNET = {
    "depths": [1, 1], "embedding_size": 16, "hidden_sizes": [32, 64], "stem_channels": [3, 8, 16], "hidden_act": "relu",
    "use_learnable_affine_block": False, "stackwise_stage_filters": [(16, 8, 32, 1, 1, 3), (32, 16, 64, 1, 1, 3)],
    "apply_downsample": [False, True], "use_lightweight_conv_block": [False, False], "image_shape": (SIDE, SIDE, 3),
}  # fmt: skip
_EFFICIENT = {
    "stackwise_width_coefficients": [1.0, 1.0], "stackwise_depth_coefficients": [1.0, 1.0],
    "stackwise_kernel_sizes": [3, 5], "stackwise_num_repeats": [1, 1], "stackwise_input_filters": [8, 16],
    "stackwise_output_filters": [16, 24], "stackwise_expansion_ratios": [1, 4],
    "stackwise_squeeze_and_excite_ratios": [0.25, 0.25], "stackwise_strides": [1, 2],
    "stackwise_block_types": ["v1", "v1"],
}  # fmt: skip
_SIGLIP = {**_VIT, "intermediate_dim": 32}
_SWIN = {"image_shape": (SIDE, SIDE, 3), "embed_dim": 16, "depths": [2, 1], "num_heads": [2, 2], "window_size": 4}

# By family: the class of KerasHub, its arguments, and how many features it gives
FAMILIES: dict[str, tuple[str, dict[str, Any], int]] = {
    "ViT": ("ViTBackbone", {**_VIT, "mlp_dim": 32}, 16),
    "DeiT": ("DeiTBackbone", {**_VIT, "intermediate_dim": 32}, 16),
    "DINOv2": ("DINOV2Backbone", {**_VIT, "intermediate_dim": 32, "position_embedding_shape": (48, 48, 3)}, 32),
    "DINOv2 with registers": (
        "DINOV2Backbone",
        {**_VIT, "intermediate_dim": 32, "num_register_tokens": 4, "position_embedding_shape": (32, 32, 3)},
        32,
    ),
    "DINOv3": ("DINOV3Backbone", {**_VIT, "intermediate_dim": 32}, 32),
    "SigLIP": ("SigLIPBackbone", _SIGLIP, 16),
    "Swin": ("SwinTransformerBackbone", _SWIN, 32),
    "MobileNetV3": ("MobileNetBackbone", _CONVOLUTIONS, 32),
    "MobileNetV5": ("MobileNetV5Backbone", _MULTI, 32),
    "ResNet-D": ("ResNetBackbone", _RESNET, 16),
    "HGNetV2": ("HGNetV2Backbone", _HGNET, 64),
    "EfficientNet": ("EfficientNetBackbone", _EFFICIENT, 1280),
}
SCALE, OFFSET = [1 / 58.4, 1 / 57.1, 1 / 57.4], [-2.1, -2.04, -1.8]


def make_preset(family: str, folder: Path, *, converter: bool = True) -> str:
    """Saves random weights of a family as a preset; returns its --backbone."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(3)
    kind, arguments, _ = FAMILIES[family]
    network = getattr(keras_hub.models, kind)
    if family == "SigLIP":
        siglip = keras_hub.models
        vision = siglip.SigLIPVisionEncoder(**arguments)
        text = siglip.SigLIPTextEncoder(
            vocabulary_size=20, embedding_dim=16, hidden_dim=16, num_layers=1, num_heads=2, intermediate_dim=16
        )
        made = network(vision, text)
    else:
        made = network(**arguments)
    for variable in made.weights:  # no table of zeros, no statistics that do nothing
        if "float" in variable.dtype and not variable.name.startswith("moving"):
            variable.assign_add(0.02 * keras.random.normal(variable.shape, seed=5))
    made.save_to_preset(str(folder))
    if converter:
        side = None if family == "MobileNetV3" else (SIDE, SIDE)
        kinds = [each for each in keras_hub.layers.ImageConverter.__subclasses__() if each.backbone_cls is network]
        kinds[0](image_size=side, scale=SCALE, offset=OFFSET).save_to_preset(str(folder))
    return f"hub:{folder}"
