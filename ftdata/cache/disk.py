"""Decoded images on disk, each decoded once and used by every later run, whatever the split.

A store (see `row_store`) holds the images of a data set as one way of decoding makes them, each under the digest of
its file: runs with other seeds and other splits share it, and images that are added are decoded alone.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from ftdata.cache import row_store
from ftdata.cache.filling import Store
from ftdata.cache.row_writer import wait_until_kept
from ftdata.config import DataConfig
from ftdata.decoding import reading, transcoding
from ftdata.decoding.decode import Decoding
from ftdata.sources.split import Split

__all__ = ["key", "mapped", "wait_until_kept"]

# Raise this when the decoder's pixels change: files made before are not used any more.
_DECODER_VERSION = 3


def mapped(
    split: Split, config: DataConfig, *, folder: Path, fill: Callable[[Store, Split, DataConfig], None]
) -> tuple[np.ndarray, np.ndarray]:
    """The decoded images of `split`, mapped from a store in `folder`.

    Args:
      split: n images, n > 0.
      config: decode settings.
      folder: where the stores lie; made if need be.
      fill: decodes a split, as `filling.fill`.

    Returns:
      All images of the store, uint8 [m, side, side, channels], and the places of those of the split in it, int64 [n].

    Raises:
      OSError: no space, no permission.
      UserError: as `fill`.
    """
    side = config.image_size
    assert side is not None, "image_size is set before the cache is filled"

    def make(missing: np.ndarray, put: row_store.Put) -> None:
        chosen = np.zeros(len(split), bool)
        chosen[missing] = True
        fill(put, split.subset(chosen), config)

    path = folder / key(split, config)
    limit = config.disk_cache_gib
    shape = (side, side, config.channels)
    return row_store.open_rows(path, split.digests, shape=shape, dtype=np.uint8, make=make, limit_gib=limit)


def key(split: Split, config: DataConfig) -> str:
    """The name of the store for the data set that `split` is a part of."""
    made_with: tuple[object, ...] = (Decoding.of(config), _DECODER_VERSION, tf.__version__)
    if isinstance(split.read, reading.Transcoding):
        made_with = (*made_with, *transcoding.versions())
    if config.channels != 3:
        made_with = (*made_with, f"{config.channels} channels")
    return hashlib.sha256(f"{split.origin} {made_with}".encode(errors="surrogateescape")).hexdigest()[:32]
