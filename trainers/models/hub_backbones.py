"""hub:PRESET or hub:FOLDER -> a backbone that takes pixels 0..255 and has the preset's weights, for any image size."""

import functools
import math
from typing import Any

import keras
import numpy as np

from ftdata.errors import UserError
from ftdata.log import log
from trainers.models import hub_presets, layer_names
from trainers.models.hub_presets import Pixels, first_line
from trainers.models.precision import precision_scope

_SIZES = ("image_shape", "input_shape")  # what their constructors call the shape of an image
_TABLE = "position_embedding"  # in the path of a variable with a row for each patch


def create(backbone: str, *, image_size: int, has_weights: bool, policy: str) -> keras.Model:
    """Builds the backbone.

    It ends with feature maps where the network has some. Of a row of tokens it gives, [b, channels]: the class token
    where KerasHub's own classifier takes it (ViT, DeiT), the mean over all tokens where there is no class token (Swin),
    and both, one behind the other, of networks without a classifier (DINO; Oquab et al., 2023, arXiv:2304.07193).

    Args:
      backbone: `hub:` and what follows.
      image_size: side of the square input, pixels.
      has_weights: whether it has those of the preset; otherwise random ones.
      policy: dtype policy of its layers.

    Returns:
      A model from pixels 0..255, float32 [b, image_size, image_size, 3].

    Raises:
      UserError: the preset cannot be had, takes no images or not of this size.
    """
    wanted = hub_presets.pixels(backbone)
    with layer_names.numbered_afresh():
        source = hub_presets.open_backbone(backbone, load_weights=has_weights, dtype="float32")
        source = getattr(source, "vision_encoder", source)
        inputs = keras.tree.flatten(source.input)
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise UserError(f"backbone={backbone} is a {type(source).__name__}, which takes more or else than images")
    with precision_scope(policy), layer_names.numbered_afresh():
        network = _at_size(source, image_size, policy, backbone)
        if has_weights:
            _transfer(source, network, backbone, image_size)
        _say(backbone, wanted.is_own)
        return _assembled(network, wanted, image_size, name=_name(backbone))


def _at_size(source: Any, side: int, policy: str, backbone: str) -> Any:
    """The same network, with other weights, for images of a side."""
    config = source.get_config()
    own = [name for name in _SIZES if name in config]
    trained = keras.tree.flatten(source.input)[0].shape[1]
    for name in [*own, *(["position_embedding_shape"] if "position_embedding_shape" in config else [])]:
        config[name] = (side, side, 3)
    if "out_features" in config or hasattr(source, "stage_names"):  # HGNetV2 gives the maps of all its stages
        config["out_features"] = [source.stage_names[-1]]
    patch = _patch(source)
    if patch and side % patch:
        below = max(patch, side // patch * patch)
        raise UserError(
            f"image_size={side} does not fit {backbone}, whose patches are {patch} pixels wide: use {below}, "
            f"{below + patch}{f' or {trained}, which it was trained with' if trained else ''}"
        )
    try:
        return type(source).from_config({**config, "dtype": policy})
    except Exception as error:  # of many kinds: a window of Swin's that does not fit into the image
        needed = f" with --image_size={trained}" if trained else ""
        raise UserError(f"image_size={side} does not fit {backbone} ({first_line(error)}): use it{needed}") from error


def _transfer(source: Any, network: Any, backbone: str, side: int) -> None:
    """Gives a network the weights of the preset, a table of positions interpolated to its grid of patches."""
    patch, trained = _patch(source), keras.tree.flatten(source.input)[0].shape[1]
    antialias = bool(getattr(source, "antialias_in_interpolation", False))
    for before, now in zip(source.weights, network.weights, strict=True):
        read = np.asarray(before.numpy())
        is_table = read.shape != tuple(now.shape) and _TABLE in now.path and read.ndim > 1 and bool(patch)
        value = _interpolated(read, now.shape[-2], (side // patch) ** 2, antialias=antialias) if is_table else read
        if "position_ids" in now.path:  # counts
            continue
        if value is None or value.shape != tuple(now.shape):
            raise UserError(
                f"image_size={side} does not fit the weights of {backbone} ({now.path} has another shape): use "
                f"--image_size={trained}, which it was trained with"
            )
        now.assign(value)
    for part in layer_names.within(network):  # of DINOv2: its table for the size it was trained with, not the derived
        if hasattr(part, "interpolated_position_embeddings"):
            part.interpolated_position_embeddings.assign(part.position_embeddings)


def _interpolated(table: np.ndarray, rows: int, patches: int, *, antialias: bool) -> np.ndarray | None:
    """A table of positions, [..., tokens + patches, channels], for another number of patches, by cubic interpolation.

    None where its patches make no square.
    """
    tokens = rows - patches
    grid, wanted = math.isqrt(max(0, table.shape[-2] - tokens)), math.isqrt(patches)
    if tokens < 0 or grid * grid + tokens != table.shape[-2]:
        return None
    squares = table[..., tokens:, :].reshape(1, grid, grid, table.shape[-1]).astype("float32")
    resized = keras.ops.image.resize(squares, (wanted, wanted), interpolation="bicubic", antialias=antialias)
    resized = np.asarray(resized).reshape(*table.shape[:-2], patches, table.shape[-1])
    return np.concatenate([table[..., :tokens, :], resized], axis=-2).astype(table.dtype)


def _assembled(network: Any, wanted: Pixels, side: int, *, name: str) -> keras.Model:
    pixels = keras.Input((side, side, 3), name="pixels", dtype="float32")
    x = hub_presets.rescaling(wanted)(pixels)
    results = network(keras.tree.map_structure(lambda _: x, network.input))
    x = keras.tree.flatten(results)[-1]
    if len(x.shape) == 3:
        x = _of_tokens(x, network, side)
    return keras.Model(pixels, x, name=name)


def _of_tokens(x: Any, network: Any, side: int) -> Any:
    """[b, tokens + patches, channels] -> [b, channels] or [b, 2 * channels], in the type of the variables."""
    layers, options = keras.layers, {"dtype": network.variable_dtype}
    patch = _patch(network)
    tokens = x.shape[1] - (side // patch) ** 2 if patch else 0
    if tokens <= 0:
        return layers.GlobalAveragePooling1D(name="mean_of_patches", **options)(x)
    token = layers.Cropping1D((0, x.shape[1] - 1), name="first_token", **options)(x)
    token = layers.Flatten(name="class_token", **options)(token)
    if _has_classifier(network):
        return token
    patches = layers.Cropping1D((tokens, 0), name="patches", **options)(x)
    patches = layers.GlobalAveragePooling1D(name="mean_of_patches", **options)(patches)
    return layers.Concatenate(name="token_and_mean", **options)([token, patches])


def _has_classifier(network: Any) -> bool:
    from keras_hub.models import ImageClassifier

    kinds: list[Any] = [ImageClassifier]
    for kind in kinds:  # and what is added meanwhile
        kinds += kind.__subclasses__()
    return any(getattr(kind, "backbone_cls", None) is type(network) for kind in kinds)


def _patch(network: Any) -> int:
    """The side of a patch, of networks whose rows of tokens are its patches; 0 for others."""
    patch = getattr(network, "patch_size", 0)
    if isinstance(patch, list | tuple):
        patch = patch[0]
    return 0 if hasattr(network, "window_size") else int(patch or 0)


@functools.cache  # once in a process
def _say(backbone: str, is_own: bool) -> None:
    if not is_own:
        log.info(
            f"note: {backbone} has no image converter that says how it wants pixels scaled: ImageNet's mean and "
            "deviation are taken"
        )
    log.info("note: best.keras is loaded with the package keras-hub (extra zoo); what is exported needs nothing of it")


def _name(backbone: str) -> str:
    last = backbone.removeprefix("hub:").rstrip("/").rsplit("/", 1)[-1]
    return "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in last) or "hub"
