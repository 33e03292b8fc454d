"""Where decoded images are kept between epochs: accelerator memory, host memory, a mapped file, or nowhere.

Nothing random happens before the cache, so that every epoch is augmented afresh. The tiers `device`, `memory`
and `disk` hold one uint8 tensor [n, side, side, channels] and read it by position; `none` decodes each time, by
position where images are files, as a stream where they can only be read in sequence.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from ftdata import parallelism
from ftdata.cache import disk, in_flight, nvidia, planner, resources, store_files
from ftdata.cache.filling import decode_into, empty_store, in_memory
from ftdata.cache.images import Images, ImageStream, IndexedImages, decoder_of_files, from_tensor, memoized
from ftdata.config import DataConfig
from ftdata.decoding.decode import Decoding
from ftdata.errors import in_words
from ftdata.log import log
from ftdata.sources.source import Source
from ftdata.sources.split import Split


def open_all(
    source: Source, config: DataConfig, *, on_gpu: bool, workers: int = 1, say: Callable[[str], None] = log.info
) -> dict[str, Images]:
    """Opens the images of each split in the fastest tier that holds them.

    Logs the plan in a line. A tier that has no room after all is logged, and the next slower one is tried. In
    the tier `device` the held-out splits, which are read once an epoch, stay in host memory. Several workers take
    that tier only if they are asked to, for each would decode every image for it.

    Args:
      source: the splits.
      config: `cache` and the decode settings.
      on_gpu: whether there is accelerator memory to use.
      workers: how many processes share the images.
      say: where lines go; to the log by default.

    Returns:
      The images by the name of the split.

    Raises:
      UserError: a file that cannot be read or decoded; the message names it.
      OSError, MemoryError: the tier that was asked for has no room.
    """
    held_out = len(source.validation) + len(source.test)
    cached = 0 if config.data_service else len(source.train)
    chosen = plan(config, train=cached, held_out=held_out, on_gpu=on_gpu and workers == 1)
    say(f"  cache: {chosen.reason}")
    if config.data_service:
        say(f"  training images are decoded by the workers of {config.data_service}; the plan is for the others")
    for tier, slower in zip(chosen.tiers, (*chosen.tiers[1:], None), strict=True):
        try:
            return {
                name: open_split(split, config, tier=_tier_of(name, tier, config), workers=workers)
                for name, split in source.splits.items()
            }
        except (OSError, MemoryError) as error:
            if slower is None:
                raise
            why = in_words(error) if isinstance(error, OSError) else error
            say(f"  cache: no room in {tier} after all ({why}): trying {slower}")
    raise AssertionError("a plan names a tier")


def _tier_of(split: str, tier: str, config: DataConfig) -> str:
    if split == "train":
        return "none" if config.data_service else tier
    return "memory" if tier == "device" else tier


def open_split(split: Split, config: DataConfig, *, tier: str, workers: int = 1) -> Images:
    """Decodes a split into a tier, or makes it ready to be decoded on the fly.

    Args:
      split: what to decode; its order is kept.
      config: `image_size` (set) and the other decode settings; `data_dir`, where tier `disk` keeps its files.
      tier: one of `planner.TIERS`; with `device` the tensor stays in host memory until the training step takes it.
      workers: how many processes read parts of these images. With several, files in the tier `memory` are
        decoded when they are first asked for.

    Raises:
      UserError: a file that cannot be read or decoded; the message names it.
      OSError, MemoryError: the tier has no room.
      ValueError: no such tier.
    """
    if tier not in planner.TIERS:
        raise ValueError(f"tier must be {', '.join(planner.TIERS[:-1])} or {planner.TIERS[-1]}, got {tier!r}")
    if tier == "disk" and len(split):
        stored, rows = disk.mapped(split, config, folder=folder(config), fill=decode_into)
        whole = tf.experimental.dlpack.from_dlpack(np.asarray(stored).__dlpack__())
        row_of = tf.constant(rows, tf.int64)
        return IndexedImages(tier, lambda index: tf.gather(whole, tf.gather(row_of, index)))
    decoding = Decoding.of(config)
    if tier == "memory" and workers > 1 and split.paths is not None:
        calls, iterations = in_flight.of_batches(split, decoding)
        read = decoder_of_files(split, decoding, parallel_iterations=iterations)
        return IndexedImages(tier, memoized(read, empty_store(len(split), config)), parallel_calls=calls)
    if tier != "none":
        return from_tensor(in_memory(split, config), tier=tier)
    if split.paths is not None:
        calls, iterations = in_flight.of_batches(split, decoding)
        read = decoder_of_files(split, decoding, parallel_iterations=iterations)
        return IndexedImages(tier, read, parallel_calls=calls)
    calls = min(parallelism.CORES, in_flight.most(split, decoding) or parallelism.CORES)
    return ImageStream(tier, lambda: split.encoded().enumerate(), decoding.any_format, calls)


def plan(config: DataConfig, *, train: int, held_out: int, on_gpu: bool) -> planner.Plan:
    """The tier for `config.cache`, from what is free now.

    Args:
      config: of the data.
      train: number of training images.
      held_out: number of validation and test images, which are never kept on an accelerator.
      on_gpu: whether there is accelerator memory to use.
    """
    image = config.channels * int(config.image_size or 0) ** 2
    everything = (train + held_out) * image
    memory = resources.available_memory()
    fits_host = everything <= memory  # the way to the accelerator leads through host memory
    free = {
        "device": nvidia.free_memory() if on_gpu and fits_host else 0,
        "memory": memory,
        # the stores there are shared, or make room
        "disk": resources.free_disk(folder(config)) + store_files.size_of(folder(config)),
    }
    return planner.plan(
        config.cache, needed={"device": train * image, "memory": everything, "disk": everything}, free=free
    )


def folder(config: DataConfig) -> Path:
    """Where the tier `disk` keeps its files."""
    return config.folder / "decoded"
