"""What cannot be done with other channels than red, green and blue (`--channels`). Standard library only."""

from typing import TYPE_CHECKING

from ftdata.errors import UserError
from trainers.config.model import HUB

if TYPE_CHECKING:
    from trainers.config.model import ModelConfig
    from trainers.config.run import TrainConfig
    from trainers.config.use import UseConfig

_COLOURS = {"hue": "0", "color_jitter": "0", "grayscale": "0", "rand_augment": "none", "random_convolution": "0"}


def check(config: "TrainConfig") -> None:
    """Checks the settings of a run on images of other channels than three.

    Raises:
      UserError: a setting that is not for them, with what to do instead.
    """
    channels, augment = config.data.channels, config.augment
    if channels == 3:
        return
    for name, off in _COLOURS.items():
        if augment.augment and getattr(augment, name):
            raise UserError(
                f"{name} cannot go with channels={channels}: it is defined on red, green and blue; --{name}={off} "
                "switches it off, and --brightness_range and --channel_shift_range are for any channels"
            )
    refused = {
        "backbone=hub:": (config.model.backbone.startswith(HUB), "name a backbone of Keras Applications"),
        "time_budget": (config.search.time_budget is not None, "the recipes of a search change colours: leave it out"),
        "phase=serve": (config.phase == "serve", "it takes pictures of three channels: call the exported SavedModel"),
        "model=imagenet": (config.use.model == "imagenet", "its network takes three"),
    }
    _refuse(refused, f"channels={channels}")
    check_use(config.use, channels=channels)


def check_use(use: "UseConfig", *, channels: int) -> None:
    """Checks what is asked of a trained model of so many channels.

    Raises:
      UserError: it is for models of three.
    """
    if channels == 3:
        return
    none_of_these = use.none_of_these is not None or use.other_images is not None
    refused = {
        "none_of_these": (none_of_these, "what is none of the classes is rendered in three"),
        "export_formats=web": ("web" in use.export_formats, "its page reads pictures of three: export litert"),
    }
    _refuse(refused, f"a model of channels={channels}")


def _refuse(refused: dict[str, tuple[bool, str]], what: str) -> None:
    for name, (is_asked, reason) in refused.items():
        if is_asked:
            raise UserError(f"{name} cannot go with {what}: {reason}")


def notes(model: "ModelConfig", channels: int) -> tuple[str, ...]:
    """A line on the first convolution, with other channels than three."""
    return () if channels == 3 else (first_convolution(model.weights, model.init_from, channels),)


def first_convolution(weights: str, init_from: str | None, channels: int) -> str:
    """Where the first convolution of a network for other channels than three has its weights from, in a line.

    Args:
      weights: as of ModelConfig.
      init_from: as of ModelConfig.
      channels: of an image.
    """
    if init_from:
        return f"the first convolution takes {channels} channels, with the weights of the model of --init_from"
    if weights == "none":
        return f"the first convolution takes {channels} channels, with random weights"
    whose = "those of red, green and blue in turn" if channels > 3 else "the mean of those of red, green and blue"
    return f"the first convolution takes {channels} channels instead of 3: each has {whose}, scaled to the same sum"
