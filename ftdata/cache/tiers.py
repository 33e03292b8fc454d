"""Open the pictures of all splits in the fastest cache tier that holds them."""

from collections.abc import Callable

from ftdata.cache import images
from ftdata.cache.images import Images
from ftdata.config import DataConfig
from ftdata.sources.source import Source

SPLITS = ("train", "validation", "test")


def open_all(
    source: Source, config: DataConfig, *, on_gpu: bool, workers: int = 1, say: Callable[[str], None] = print
) -> dict[str, Images]:
    """The pictures of each split, by its name.

    Prints the plan in a line. A tier that has no room after all is said, and the next slower one is tried. In
    the tier `device` the held-out splits, which are read once an epoch, stay in host memory. Several workers take
    that tier only if they are asked to, for each would decode every picture for it.

    Args:
      source: the splits.
      config: `cache` and the decode settings.
      on_gpu: whether there is accelerator memory to use.
      workers: how many processes share the pictures.
      say: where lines go.

    Raises:
      UserError: a file that cannot be read or decoded; the message names it.
      OSError, MemoryError: the tier that was asked for has no room.
    """
    held_out = len(source.validation) + len(source.test)
    cached = 0 if config.data_service else len(source.train)
    chosen = images.plan(config, train=cached, held_out=held_out, on_gpu=on_gpu and workers == 1)
    say(f"  cache: {chosen.reason}")
    if config.data_service:
        say(f"  training images are decoded by the workers of {config.data_service}; the plan is for the others")
    for tier, slower in zip(chosen.tiers, (*chosen.tiers[1:], None), strict=True):
        try:
            return {name: _open(source, config, name, tier, workers) for name in SPLITS}
        except (OSError, MemoryError) as error:
            if slower is None:
                raise
            say(f"  cache: no room in {tier} after all ({error}): trying {slower}")
    raise AssertionError("a plan names a tier")


def _open(source: Source, config: DataConfig, name: str, tier: str, workers: int) -> Images:
    if tier == "device" and name != "train":
        tier = "memory"
    if config.data_service and name == "train":
        tier = "none"
    return images.open_split(getattr(source, name), config, tier=tier, workers=workers)
