"""Features of images (what the frozen part of a network makes of them), kept to be read instead of the images.

Those of training images are of a few views of each, as augmentation shows them. They lie in stores beside the decoded
images (see `row_store`), a row a view, under a digest of the image's content and the view's number: whatever the split
and however many views there are, a row that is there is used. What else decides them is in the store's name.
"""

import dataclasses
import errno
import hashlib
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata import seeds
from ftdata.cache import disk, filling, planner, resources, row_store, row_writer, store_files, tiers
from ftdata.cache.images import FeatureViews, IndexedImages, Read
from ftdata.cache.row_writer import Put
from ftdata.config import DataConfig
from ftdata.sources.split import Split

# Raise this when augmentation's pixels or the computation change: features made before are not used any more.
_VERSION = 1
_SHARDS, _LEAST_SHARD = 64, 256  # into which a filling is divided, each safe when it is done; rows of one
_HELD_BACK = 2**28  # bytes of a shard at most that is computed before it is stored


@dataclasses.dataclass(frozen=True)
class FeatureStore:
    """Where on disk the features of a data set are kept.

    `folder` holds stores and nothing else; `images` identifies the data set and how it is decoded; `limit_gib` is what
    all stores of the folder may take.
    """

    folder: Path
    images: str
    limit_gib: float | None

    @classmethod
    def of(cls, split: Split, config: DataConfig) -> "FeatureStore":
        """For the data set that `split` is a part of, beside its decoded images."""
        return cls(tiers.folder(config), disk.key(split, config), config.disk_cache_gib)

    def path(self, made_with: Sequence[Any]) -> Path:
        """Of the store of the features that are made with this, such as a network and the settings of augmentation."""
        made = f"features {self.images} {_VERSION} {tf.__version__} {list(made_with)!r}"
        return self.folder / hashlib.sha256(made.encode()).hexdigest()[:32]


@dataclasses.dataclass(frozen=True)
class Layout:
    """How features lie in a store: `views` rows for each image, one behind the other, of `shape` and type `dtype`."""

    views: int
    shape: tuple[int, ...]
    dtype: tf.DType

    @property
    def stored(self) -> Any:
        """numpy's type of a row on disk: that of the bits, where numpy does not know the type by itself."""
        return np.uint16 if self.dtype == tf.bfloat16 else self.dtype.as_numpy_dtype

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape) * self.dtype.size


def open_views(
    path: Path,
    digests: np.ndarray,
    layout: Layout,
    *,
    seed: int,
    make: Callable[[np.ndarray, Put], None],
    limit_gib: float | None = None,
) -> tuple[FeatureViews, int]:
    """The features of some images; those that the store lacks are made, a shard after the other.

    Args:
      path: of the store.
      digests: of the images' contents, uint64 [n, 2], n > 0.
      layout: of the store; others may have been made for fewer views, or more.
      seed: of the order in which the views of an image come.
      make: called as `make(places, put)` with the rows to make, int64 [m]: image * views + view; it calls
        `put(numbers, rows)` with numbers from 0 to m - 1, once for each.
      limit_gib: what all stores of the folder may take; by default half of what its disk has room for.

    Returns:
      Features in memory where they fit, else mapped, and how many rows were made.

    Raises:
      OSError: no space, no permission.
    """
    rows = row_digests(digests, layout.views)
    kind: dict[str, Any] = {"shape": layout.shape, "dtype": layout.stored}
    missing = row_store.missing(path, rows, **kind)
    if len(missing):
        _check_room(path, len(missing) * layout.row_bytes, limit_gib)
    held = None  # so that nobody removes the store between two shards
    size = max(_LEAST_SHARD, -(-len(missing) // _SHARDS))
    for shard in (missing[begin : begin + size] for begin in range(0, len(missing), size)):

        def make_some(places: np.ndarray, put: Put, shard: np.ndarray = shard) -> None:
            make(shard[places], put)

        held = row_store.open_rows(path, rows[shard], **kind, make=make_some, limit_gib=limit_gib)
    stored, places = row_store.open_rows(path, rows, **kind, make=make, limit_gib=limit_gib)
    del held
    order = view_order(digests, layout.views, seed=seed)
    if planner.fits("memory", needed=len(rows) * layout.row_bytes, free=resources.available_memory()):
        array = filling.aligned((len(rows), *layout.shape), layout.stored)
        np.take(stored, places, axis=0, out=array)
        return FeatureViews("memory", reader(array, layout.dtype), order), len(missing)
    read, row_of = reader(stored, layout.dtype), tf.constant(places, tf.int64)
    return FeatureViews("disk", lambda index: read(tf.gather(row_of, index)), order), len(missing)


def fill_part(
    path: Path,
    digests: np.ndarray,
    layout: Layout,
    *,
    part: tuple[int, int],
    make: Callable[[np.ndarray, Put], None],
    limit_gib: float | None = None,
) -> None:
    """Makes what the store lacks of every k-th image, so that k processes can fill it at the same time.

    Arguments as for `open_views`, which then makes what is still missing, where the others have another disk.

    Args:
      path: of the store.
      digests: of the images' contents, uint64 [n, 2].
      layout: of the store.
      part: which of the images, and k.
      make: as of `open_views`.
      limit_gib: as of `open_views`.

    Raises:
      OSError: no space, no permission.
    """
    rows, (number, count) = row_digests(digests, layout.views), part
    kind: dict[str, Any] = {"shape": layout.shape, "dtype": layout.stored}
    lacking = row_store.missing(path, rows, **kind)
    own = lacking[lacking // layout.views % count == number]
    if len(own):
        _check_room(path, len(lacking) * layout.row_bytes, limit_gib)  # of all: the others need theirs too
    size = max(1, min(max(_LEAST_SHARD, -(-len(own) // _SHARDS)), _HELD_BACK // layout.row_bytes))
    for shard in (own[begin : begin + size] for begin in range(0, len(own), size)):
        made = np.empty((len(shard), *layout.shape), layout.stored)
        make(shard, made.__setitem__)  # now: whoever makes rows in a store keeps the others from it

        def hand_over(places: np.ndarray, put: Put, made: np.ndarray = made) -> None:
            put(np.arange(len(places)), made[places])

        row_store.open_rows(path, rows[shard], **kind, make=hand_over, limit_gib=limit_gib)
    row_writer.wait_until_kept()


def missing(path: Path, digests: np.ndarray, layout: Layout) -> int:
    """How many rows of some images a store lacks now; arguments as for `open_views`."""
    return len(row_store.missing(path, row_digests(digests, layout.views), shape=layout.shape, dtype=layout.stored))


def row_digests(digests: np.ndarray, views: int) -> np.ndarray:
    """Of each view of each image, under which its features are found: uint64 [n * views, 2]."""
    of_image = np.repeat(digests, views, axis=0)
    first = seeds.mixed(of_image[:, 0] ^ seeds.mixed(_numbers(len(digests), views).astype(np.uint64)))
    return np.stack([first, seeds.mixed(of_image[:, 1] ^ first)], axis=1)


def view_order(digests: np.ndarray, views: int, *, seed: int) -> np.ndarray:
    """Which view of an image comes in which pass, a permutation for each image: uint8 [n, views]."""
    of_image, numbers = np.repeat(digests, views, axis=0), _numbers(len(digests), views)
    drawn = seeds.of_images(seed, "view_order", digests=of_image, views=numbers)
    return np.argsort(drawn.reshape(-1, views), axis=1, kind="stable").astype(np.uint8)


def in_memory(features: np.ndarray, dtype: tf.DType) -> IndexedImages:
    """Features in an array of `filling.aligned`, [n, ...], as `reader` takes it."""
    return IndexedImages("memory", reader(features, dtype), content="feature")


def reader(rows: np.ndarray, dtype: tf.DType) -> Read:
    """Reads rows of an array that begins at a page boundary by position, without a copy of all.

    Args:
      rows: [n, ...]; for bfloat16, which DLPack does not know from numpy, its bits as uint16.
      dtype: what is read.
    """
    whole = tf.experimental.dlpack.from_dlpack(np.asarray(rows).__dlpack__())
    return lambda index: tf.bitcast(tf.gather(whole, index), dtype)


def _numbers(count: int, views: int) -> np.ndarray:
    return np.tile(np.arange(views), count)


def _check_room(path: Path, needed: int, limit_gib: float | None) -> None:
    """Makes room for all that is missing before the first of it is computed; OSError where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store_files.make_room(path.parent, needed, limit_gib=limit_gib, keep=path)
    free = resources.free_disk(path.parent)
    if free < needed:
        asked = f"{needed / 2**30:.2f} GiB are needed, {free / 2**30:.2f} GiB are free"
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {asked}", str(path.parent))
