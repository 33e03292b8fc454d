"""A preset of KerasHub: where it lies, what is in it, and the pixels that it wants.

A preset is a folder: `config.json` and weights, as KerasHub saves them or as timm and Hugging Face do, and mostly
`image_converter.json`. KerasHub is imported where one is opened and not before.
"""

import difflib
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from ftdata.errors import UserError
from trainers.config.model import HUB, hub_folder
from trainers.models import catalogue, hub_repairs

_PATIENCE_S = 60  # for the first, small file of a preset that is not here
_LARGEST_DIFFERENCE = 1e-5  # between the converter's pixels and ours
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of pixels 0..1
_USUAL = 224


class Pixels(NamedTuple):
    """What a preset's image converter does: pixels 0..255 times `scale` plus `offset`, at a side of `size`."""

    scale: Any
    offset: Any
    size: int | None
    is_own: bool


def find(backbone: str) -> str:
    """What KerasHub's `from_preset` is called with, once its config.json is here.

    Raises:
      UserError: as `catalogue.check_hub`, an unknown name, or a preset that cannot be fetched.
    """
    catalogue.check_hub(backbone)
    if folder := hub_folder(backbone):
        return folder
    import keras_hub

    name = backbone.removeprefix(HUB)
    known = keras_hub.models.Backbone.presets
    if "://" not in name and name not in known:
        near = difflib.get_close_matches(name, list(known), n=3) or ["dinov2_small", "vit_base_patch16_224_imagenet"]
        raise UserError(f"backbone={backbone}: KerasHub has no such preset, and there is no such folder; it has, for "
                        f"example, {', '.join(near)}")  # fmt: skip
    _within_time(lambda: keras_hub.src.utils.preset_utils.get_file(name, "config.json"), backbone)
    return name


def backbone_class(backbone: str) -> str:
    """The class of a preset's network, such as ViTBackbone.

    Raises:
      UserError: as `find`, or a preset that cannot be read.
    """
    return type(open_backbone(backbone, load_weights=False)).__name__


def open_backbone(backbone: str, *, load_weights: bool, **options: Any) -> Any:
    """The network of a preset, as KerasHub makes it.

    Args:
      backbone: `hub:` and what follows.
      load_weights: those of the preset; otherwise random ones.
      options: further arguments of `from_preset`.

    Raises:
      UserError: as `find`, or a preset that cannot be read.
    """
    preset = find(backbone)
    import keras_hub

    hub_repairs.repair()
    try:
        return keras_hub.models.Backbone.from_preset(preset, load_weights=load_weights, **options)
    except Exception as error:  # json, h5py, Keras and KerasHub raise many kinds for a folder that is no preset
        raise UserError(f"backbone={backbone}: KerasHub cannot load it: {first_line(error)}") from error


def pixels(backbone: str) -> Pixels:
    """What the preset wants done to pixels 0..255; what ImageNet's networks usually want where it does not say.

    Raises:
      UserError: as `find`, or a converter that does more than scale and shift.
    """
    preset = find(backbone)
    import keras_hub

    try:
        converter = keras_hub.layers.ImageConverter.from_preset(preset)
    except FileNotFoundError:
        converter = None
    except Exception as error:  # as above
        raise UserError(f"backbone={backbone}: its image converter cannot be read: {first_line(error)}") from error
    if converter is None:
        mean, deviation = (np.array(values) for values in _IMAGENET)
        return Pixels((1 / (255 * deviation)).tolist(), (-mean / deviation).tolist(), None, is_own=False)
    size = converter.image_size[0] if converter.image_size else None
    scale = 1.0 if converter.scale is None else converter.scale
    found = Pixels(scale, 0.0 if converter.offset is None else converter.offset, size, is_own=True)
    _check_alike(backbone, converter, found)
    return found


def default_size(backbone: str) -> int:
    """The side of the images that the preset was trained on, pixels: its converter's, else its network's, else 224.

    Raises:
      UserError: as `pixels` and `open_backbone`.
    """
    if size := pixels(backbone).size:
        return int(size)
    network = open_backbone(backbone, load_weights=False)
    shape = keras.tree.flatten(getattr(network, "vision_encoder", network).input)[0].shape
    return shape[1] or _USUAL


def rescaling(wanted: Pixels) -> keras.layers.Layer:
    """The layer that does it, in float32."""
    return keras.layers.Rescaling(wanted.scale, offset=wanted.offset, dtype="float32", name="converter")


def first_line(error: Exception) -> str:
    """The first line of what an error says, without the stop at its end."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


def _check_alike(backbone: str, converter: Any, found: Pixels) -> None:
    """Compares what the converter makes of each of the 256 values in each channel with what our layer makes of it."""
    ramp = np.stack([np.arange(256).reshape(16, 16), np.arange(256)[::-1].reshape(16, 16), np.full((16, 16), 77)], -1)
    size, converter.image_size = converter.image_size, None
    theirs = np.asarray(converter(ramp[None].astype("float32")))
    converter.image_size = size
    ours = np.asarray(rescaling(found)(ramp[None].astype("float32")))
    if theirs.shape != ours.shape or not np.allclose(theirs, ours, rtol=1e-5, atol=_LARGEST_DIFFERENCE):
        raise UserError(
            f"backbone={backbone}: its {type(converter).__name__} does more than scale and shift pixels, which is all "
            "that a model here does to them"
        )


def _within_time(fetch: Callable[[], Any], backbone: str) -> None:
    """Calls `fetch` in a thread of its own that nobody waits for longer than a minute."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            fetch()
        except BaseException as error:  # handed on
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    if thread.is_alive() or errors:
        reason = first_line(Exception(str(errors[0]))) if errors else f"no answer within {_PATIENCE_S} s"
        raise UserError(
            f"backbone={backbone}: the preset cannot be fetched ({reason}). Without a network use hub:FOLDER with a "
            "preset fetched elsewhere"
        ) from (errors[0] if errors else None)
