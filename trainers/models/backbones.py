"""name -> a backbone without its top, and its input size."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from ftdata.errors import UserError
from trainers.models import (
    catalogue,
    constructors,
    efficientnet_lite,
    hub_backbones,
    hub_presets,
    imagenet_weights,
    inside,
    layer_names,
    loading,
)
from trainers.models.precision import precision_scope
from trainers.models.vgg_nano import vgg_nano
from trainers.models.without_classifier import without_classifier

# Modules whose networks convolve depthwise (a test reads their source).
_DEPTHWISE = (
    *("mobilenet", "mobilenet_v2", "mobilenet_v3", "efficientnet", "efficientnet_v2", "efficientnet_lite"),
    *("xception", "nasnet"),
)
_DEPTHWISE_LAYERS = {"DepthwiseConv2D", "SeparableConv2D"}

# Input sides that are not 224.
_SIZES = {
    "vgg_nano": 96, "NASNetLarge": 331, "InceptionV3": 299, "InceptionResNetV2": 299, "Xception": 299,
    "EfficientNetB1": 240, "EfficientNetB2": 260, "EfficientNetB3": 300, "EfficientNetB4": 380,
    "EfficientNetB5": 456, "EfficientNetB6": 528, "EfficientNetB7": 600,
    "EfficientNetV2B1": 240, "EfficientNetV2B2": 260, "EfficientNetV2B3": 300,
    "EfficientNetV2S": 384, "EfficientNetV2M": 480, "EfficientNetV2L": 480,
    "EfficientNetLite1": 240, "EfficientNetLite2": 260,
}  # fmt: skip

_FLATTENED = ("vgg16", "vgg19")  # modules whose original classifier fits one input size alone

_OBJECTS_WEIGHTS = Path(__file__).parent / "weights" / "vgg_nano_objects.weights.h5"


def module(backbone: str) -> str:
    """The module that makes it, of Keras Applications or of this project; empty for a saved model, `hub` for a preset.

    Raises:
      UserError: an unknown name.
    """
    if catalogue.is_hub(backbone):
        return "hub"
    return "" if catalogue.is_file(backbone) else _constructor(backbone).__module__.rsplit(".", 1)[-1]


def is_depthwise(backbone: str) -> bool:
    """Whether a network convolves depthwise.

    Raises:
      UserError: an unknown name, or a saved model that cannot be read.
    """
    if catalogue.is_file(backbone):
        return bool(_DEPTHWISE_LAYERS & loading.layer_kinds(backbone))
    return module(backbone) in _DEPTHWISE


def default_size(backbone: str) -> int:
    """The input side the backbone's weights were trained at, pixels.

    Raises:
      UserError: an unknown name, or a saved model without a fixed square input.
    """
    if catalogue.is_hub(backbone):
        return hub_presets.default_size(backbone)
    if not catalogue.is_file(backbone):
        _constructor(backbone)
        return _SIZES.get(backbone, 224)
    shape = loading.load_model(backbone).input_shape
    if len(shape) != 4 or shape[1] is None or shape[1] != shape[2]:
        raise UserError(f"image_size must be given for {backbone}, whose input shape is {shape}")
    return shape[1]


def create(
    backbone: str,
    *,
    image_size: int,
    weights: str,
    policy: str,
    include_top: bool = False,
    arguments: Mapping[str, Any] | None = None,
    own_preprocessing: bool = True,
) -> keras.Model:
    """Builds a backbone, the same one with the same names of layers whatever the process has built before.

    Args:
      backbone: one of `constructors.names`, or a `.keras` file.
      image_size: side of the square input, pixels.
      weights: `imagenet`, `none`, `objects` (vgg_nano only) or a weights file.
      policy: dtype policy of its layers; preprocessing layers inside it stay float32.
      include_top: keep the original classifier (1000 classes).
      arguments: further arguments of the constructor, such as `alpha`.
      own_preprocessing: keep the preprocessing that a network has inside.

    Returns:
      A model from images that `preprocessing.apply` has prepared, [batch, image_size, image_size, 3], to feature maps,
      or to the class probabilities of its own top.

    Raises:
      UserError: an unknown name, arguments it does not take, weights that do not fit or cannot be had.
    """
    catalogue.check(backbone, weights=weights, arguments=arguments)
    if catalogue.is_file(backbone):
        saved = loading.load_model(backbone)
        if saved.input_shape[1:3] not in ((image_size, image_size), (None, None)):
            raise UserError(
                f"image_size={image_size} does not fit {backbone}, whose input shape is {saved.input_shape}"
            )
        if not own_preprocessing and inside.of_saved(saved):
            raise UserError(
                f"preprocessing=rescale would come before what {backbone} does to its pixels itself "
                f"({', '.join(inside.of_saved(saved))}): use --preprocessing=backbone"
            )
        return without_classifier(saved)
    if catalogue.is_hub(backbone):
        return _of_hub(backbone, image_size, weights, policy=policy, own_preprocessing=own_preprocessing)
    if include_top and module(backbone) in _FLATTENED and image_size != default_size(backbone):
        raise UserError(
            f"image_size must be {default_size(backbone)} for the original classifier of {backbone}, got {image_size}"
        )
    with precision_scope(policy), loading.without_warnings(), layer_names.numbered_afresh():
        fetching = imagenet_weights.fetching(backbone) if weights == "imagenet" else contextlib.nullcontext()
        try:
            with fetching:
                model = _construct(backbone, image_size, weights, include_top=include_top, arguments=arguments or {})
        except UserError:
            raise
        except (TypeError, ValueError) as error:
            with_them = f" with {json.dumps(dict(arguments))}" if arguments else ""
            raise UserError(f"backbone {backbone}{with_them}: {error}") from error
        model = inside.completed(model, family=module(backbone), policy=policy)
    if weights not in ("imagenet", "none"):
        path = _OBJECTS_WEIGHTS if weights == "objects" else Path(weights).expanduser()
        loading.fill(model, path, refusal=f"weights {path} do not fit the backbone {backbone}")
    return model if own_preprocessing else inside.without(model)


def _of_hub(backbone: str, image_size: int, weights: str, *, policy: str, own_preprocessing: bool) -> keras.Model:
    has_weights = weights == "imagenet"
    model = hub_backbones.create(backbone, image_size=image_size, has_weights=has_weights, policy=policy)
    if weights not in ("imagenet", "none"):
        path = Path(weights).expanduser()
        loading.fill(model, path, refusal=f"weights {path} do not fit the backbone {backbone}")
    return model if own_preprocessing else inside.without(model)


def _construct(
    backbone: str, image_size: int, weights: str, *, include_top: bool, arguments: Mapping[str, Any]
) -> keras.Model:
    constructor = _constructor(backbone)
    options = {**arguments, "include_top": include_top}
    fetched = "imagenet" if weights == "imagenet" else None
    is_of_keras = backbone not in constructors.LITE
    if not (fetched and include_top and is_of_keras and image_size != default_size(backbone)):
        return constructor(weights=fetched, input_shape=(image_size, image_size, 3), **options)
    # Keras fetches an original classifier for one input size alone, though the others take the same weights
    original = constructor(weights=fetched, **options)
    with layer_names.numbered_afresh():
        model = constructor(weights=None, input_shape=(image_size, image_size, 3), **options)
    model.set_weights(original.get_weights())
    return model


def _constructor(backbone: str) -> Any:
    catalogue.check_name(backbone)
    own = {"vgg_nano": vgg_nano} | {name: getattr(efficientnet_lite, name) for name in constructors.LITE}
    return own.get(backbone) or getattr(keras.applications, backbone)
