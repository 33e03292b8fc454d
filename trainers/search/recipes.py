"""The fine-tuning recipes that are tried: settings by name, in the order in which they are likely to be good.

The first is that of the preset `knifey_spoony` but for the turning of images, which not all classes allow. They differ
in what of it may not hold for other images; how many epochs all of them have is for the time to say.
"""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from ftdata.config import AugmentConfig

_COLORS = {"color_jitter": 0.4, "hue": 90.0, "grayscale": 0.2, "random_convolution": 0.5}
_ANY_WAY_UP = {"rotation_range": 180.0, "vertical_flip": True}
_WIDER = {"zoom_range": (0.8, 1.4)}

# What the recipes may set, with the values of a recipe that does not name it
_PLAIN: dict[str, Any] = {
    **{"color_jitter": 0.0, "hue": 0.0, "grayscale": 0.0, "random_convolution": 0.0},
    **{"rotation_range": 15.0, "vertical_flip": False, "zoom_range": (0.8, 1.2)},
    **{"finetune_learning_rate": 1e-4, "layer_decay": 1.0},
}
RECIPES: dict[str, dict[str, Any]] = {
    "colors": {**_COLORS, **_WIDER},
    "rate 3e-4": {"finetune_learning_rate": 3e-4},
    "colors, rate 3e-4": {**_COLORS, **_WIDER, "finetune_learning_rate": 3e-4},
    "rate 1e-3": {"finetune_learning_rate": 1e-3},
    "colors, any way up, rate 3e-4": {**_COLORS, **_ANY_WAY_UP, **_WIDER, "finetune_learning_rate": 3e-4},
    "any way up": {**_ANY_WAY_UP, **_WIDER},
    "colors, rate 1e-3": {**_COLORS, **_WIDER, "finetune_learning_rate": 1e-3},
    "colors, rate 1e-3, layer decay 0.8": {
        **{**_COLORS, **_WIDER},
        **{"finetune_learning_rate": 1e-3, "layer_decay": 0.8},
    },
}
_EPOCHS = (2, 3, 4, 6, 8, 12)  # of fine-tuning


def variants(given: Collection[str], asked: Mapping[str, Any]) -> list[dict[str, dict[str, Any]]]:
    """The recipes as changes of the settings `asked`, those in `given` left alone; of several alike the first.

    Args:
      given: names of the settings that the user has given.
      asked: all settings by name.

    Returns:
      The same recipes in rising numbers of epochs.
    """
    if not asked["augment"]:
        given = {*given, *(field.name for field in dataclasses.fields(AugmentConfig))}
    lengths = (asked["finetune_epochs"],) if "finetune_epochs" in given else _EPOCHS
    return [_without(given, asked, {"finetune_epochs": epochs}) for epochs in lengths]


def _without(given: Collection[str], asked: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, recipe in RECIPES.items():
        values = {**_PLAIN, **recipe, **further}
        changes = {key: asked[key] if key in given else value for key, value in values.items()}
        if changes not in found.values():
            found[name] = changes
    return found
