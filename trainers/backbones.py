"""name -> a backbone without its top, and its input size."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from trainers import precision, weights_file
from trainers.vgg_nano import vgg_nano

# Modules whose networks convolve depthwise (a test reads their source).
_DEPTHWISE = ("mobilenet", "mobilenet_v2", "mobilenet_v3", "efficientnet", "efficientnet_v2", "xception", "nasnet")

# Input sides that are not 224.
_SIZES = {
    **{"vgg_nano": 96, "NASNetLarge": 331},
    **dict.fromkeys(("InceptionV3", "InceptionResNetV2", "Xception"), 299),
    **{"EfficientNetB1": 240, "EfficientNetB2": 260, "EfficientNetB3": 300, "EfficientNetB4": 380},
    **{"EfficientNetB5": 456, "EfficientNetB6": 528, "EfficientNetB7": 600},
    **{"EfficientNetV2B1": 240, "EfficientNetV2B2": 260, "EfficientNetV2B3": 300},
    **{"EfficientNetV2S": 384, "EfficientNetV2M": 480, "EfficientNetV2L": 480},
}

# Arguments of the constructors that other settings decide.
_DECIDED = ("include_top", "weights", "input_shape", "input_tensor")

_OBJECTS_WEIGHTS = Path(__file__).parent / "weights" / "vgg_nano_objects.weights.h5"


def names() -> list[str]:
    """Every backbone known by name."""
    applications = [name for name in dir(keras.applications) if callable(getattr(keras.applications, name))]
    return ["vgg_nano", *applications]


def is_file(backbone: str) -> bool:
    """Whether the backbone is a saved model rather than a name."""
    return backbone.endswith(".keras")


def module(backbone: str) -> str:
    """The module of Keras Applications that makes it, `vgg_nano`, or empty for a saved model.

    Raises:
      ValueError: an unknown name.
    """
    return "" if is_file(backbone) else _constructor(backbone).__module__.rsplit(".", 1)[-1]


def is_depthwise(backbone: str) -> bool:
    """Whether a network by name convolves depthwise; False for a saved model, which is not opened for this.

    Raises:
      ValueError: an unknown name.
    """
    return module(backbone) in _DEPTHWISE


def default_size(backbone: str) -> int:
    """The input side the backbone's weights were trained at, pixels.

    Raises:
      ValueError: an unknown name, or a saved model without a fixed square input.
    """
    if not is_file(backbone):
        _constructor(backbone)
        return _SIZES.get(backbone, 224)
    shape = load_model(backbone).input_shape
    if len(shape) != 4 or shape[1] is None or shape[1] != shape[2]:
        raise ValueError(f"image_size must be given for {backbone}, whose input shape is {shape}")
    return shape[1]


def check(backbone: str, *, weights: str, arguments: Mapping[str, Any] | None = None) -> None:
    """Checks what can be checked of the arguments of `create` without building or fetching anything.

    Raises:
      ValueError: an unknown name, arguments it does not take, a file that is not there.
    """
    if is_file(backbone):
        if not Path(backbone).expanduser().is_file():
            raise ValueError(f"cannot load {backbone}: no such file")
        return
    takes = set(inspect.signature(_constructor(backbone)).parameters) - set(_DECIDED)
    unknown = sorted(set(arguments or {}) - takes)
    if unknown:
        raise ValueError(
            f"backbone_args must be arguments of {backbone} ({', '.join(sorted(takes))}), got {unknown[0]!r}"
        )
    if weights == "objects" and backbone != "vgg_nano":
        raise ValueError("weights=objects is for the backbone vgg_nano only; use imagenet, none or a file")
    if weights == "imagenet" and backbone == "vgg_nano":
        raise ValueError("vgg_nano has no ImageNet weights: use --weights=objects, none or a file")
    if weights not in ("imagenet", "none", "objects") and not Path(weights).expanduser().is_file():
        raise ValueError(f"weights must be imagenet, none, objects or a file, got {weights}: no such file")


def create(
    backbone: str,
    *,
    image_size: int,
    weights: str,
    policy: str,
    include_top: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> keras.Model:
    """Builds a backbone.

    Args:
      backbone: a name of Keras Applications, `vgg_nano`, or a `.keras` file.
      image_size: side of the square input, pixels.
      weights: `imagenet`, `none`, `objects` (vgg_nano only) or a weights file.
      policy: dtype policy of its layers; preprocessing layers inside it stay float32.
      include_top: keep the original classifier (1000 classes).
      arguments: further arguments of the constructor, such as `alpha`.

    Returns:
      A model from preprocessed images [batch, image_size, image_size, 3] to feature maps, or to the class
      probabilities of its own top.

    Raises:
      ValueError: an unknown name, arguments it does not take, weights that do not fit or cannot be had.
    """
    check(backbone, weights=weights, arguments=arguments)
    if is_file(backbone):
        saved = load_model(backbone)
        if saved.input_shape[1:] not in ((image_size, image_size, 3), (None, None, 3)):
            raise ValueError(
                f"image_size={image_size} does not fit {backbone}, whose input shape is {saved.input_shape}"
            )
        return _without_classifier(saved)
    constructor = _constructor(backbone)
    shape = None if include_top and weights == "imagenet" else (image_size, image_size, 3)
    from_network = "imagenet" if weights == "imagenet" else None
    with precision.scope(policy), weights_file.without_warnings():
        try:
            model = constructor(include_top=include_top, weights=from_network, input_shape=shape, **(arguments or {}))
        except (TypeError, ValueError) as error:
            raise ValueError(f"backbone {backbone} with {dict(arguments or {})}: {error}") from error
        except Exception as error:  # keras.utils.get_file raises a bare Exception without a network
            if weights != "imagenet":
                raise
            raise ValueError(
                f"weights=imagenet: cannot fetch the weights of {backbone} ({error}). Without a network use "
                "--weights=FILE with a file fetched elsewhere, or --weights=none"
            ) from error
        model = _float32_preprocessing(model, policy)
    if weights not in ("imagenet", "none"):
        path = _OBJECTS_WEIGHTS if weights == "objects" else Path(weights).expanduser()
        weights_file.load(model, path, refusal=f"weights {path} do not fit the backbone {backbone}")
    return model


def _constructor(backbone: str) -> Any:
    if backbone not in names():
        raise ValueError(f"backbone must be one of {', '.join(names())}, or a .keras file, got {backbone!r}")
    return vgg_nano if backbone == "vgg_nano" else getattr(keras.applications, backbone)


def _float32_preprocessing(model: keras.Model, policy: str) -> keras.Model:
    """Rebuilds a network whose own Rescaling or Normalization layers would compute in half precision."""
    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    if policy == "float32" or not any(isinstance(layer, kinds) for layer in model.layers):
        return model

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        return type(layer).from_config({**config, "dtype": "float32"} if isinstance(layer, kinds) else config)

    rebuilt = keras.models.clone_model(model, clone_function=clone)
    rebuilt.set_weights(model.get_weights())
    return rebuilt


def load_model(path: str) -> keras.Model:
    """A saved model, not compiled.

    Raises:
      ValueError: the file cannot be loaded.
    """
    try:
        return keras.saving.load_model(Path(path).expanduser(), compile=False, safe_mode=True)
    except Exception as error:  # zipfile, json and Keras raise many kinds for a file that is no model
        if "safe_mode" in str(error):  # Keras's advice is to switch the protection off
            raise ValueError(
                f"cannot load {path}: it holds code (such as a Lambda layer), and models load in safe mode only"
            ) from error
        raise ValueError(f"cannot load {path}: {str(error).strip().splitlines()[0]}") from error


def _without_classifier(model: keras.Model) -> keras.Model:
    """The model up to the features: a softmax (and the dense layer before it) at the end is cut off."""
    layers = list(model.layers)
    while isinstance(layers[-1], keras.layers.Dense | keras.layers.Activation | keras.layers.Softmax):
        layers.pop()
    return keras.Model(model.inputs, layers[-1].output, name=model.name)
