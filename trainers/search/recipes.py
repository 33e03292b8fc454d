"""The fine-tuning recipes that are tried: settings by name, in the order in which they are likely to be good.

The first is that of the preset `knifey_spoony` but for the turning of images, which not all classes allow. They differ
in what of it may not hold for other images.
"""

from collections.abc import Collection, Mapping
from typing import Any

_COLORS = {"color_jitter": 0.4, "hue": 90.0, "grayscale": 0.2, "random_convolution": 0.5}
_ANY_WAY_UP = {"rotation_range": 180.0, "vertical_flip": True}
_WIDER = {"zoom_range": (0.8, 1.4)}

# What the recipes may set, with the values of a recipe that does not name it
_PLAIN: dict[str, Any] = {
    **{"color_jitter": 0.0, "hue": 0.0, "grayscale": 0.0, "random_convolution": 0.0},
    **{"rotation_range": 15.0, "vertical_flip": False, "zoom_range": (0.8, 1.2)},
    **{"finetune_learning_rate": 1e-4, "finetune_epochs": 2, "layer_decay": 1.0},
}
RECIPES: dict[str, dict[str, Any]] = {
    "colors": {**_COLORS, **_WIDER},
    "plain": {},
    "colors, any way up": {**_COLORS, **_ANY_WAY_UP, **_WIDER},
    "colors, rate 3e-4": {**_COLORS, **_WIDER, "finetune_learning_rate": 3e-4},
    "any way up": {**_ANY_WAY_UP, **_WIDER},
    "colors, 4 epochs": {**_COLORS, **_WIDER, "finetune_epochs": 4},
    "colors, layer decay 0.8, rate 3e-4": {**_COLORS, **_WIDER, "layer_decay": 0.8, "finetune_learning_rate": 3e-4},
    "rate 3e-4": {"finetune_learning_rate": 3e-4},
}


def without(given: Collection[str], asked: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The recipes as changes of the settings `asked`, those in `given` left alone; of several alike the first.

    Args:
      given: names of the settings that the user has given.
      asked: all settings by name.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, recipe in RECIPES.items():
        values = {**_PLAIN, **recipe}
        changes = {key: asked[key] if key in given else value for key, value in values.items()}
        if changes not in found.values():
            found[name] = changes
    return found
