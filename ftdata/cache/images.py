"""Where decoded pictures rest between epochs: accelerator memory, host memory, a mapped file, or nowhere.

Nothing random happens before the cache, so that every epoch is augmented afresh. The tiers `device`, `memory`
and `disk` hold one uint8 tensor [n, side, side, 3] and read it by position; `none` decodes each time, by
position where pictures are files, in a stream where they can only be read in sequence.
"""

import dataclasses
import mmap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from ftdata.cache import disk, nvidia, planner, resources, row_store
from ftdata.cache.filling import decode_into
from ftdata.cache.on_demand import memoized
from ftdata.config import DataConfig
from ftdata.decoding.decode import Decoding
from ftdata.sources.split import Split


def _no_stream() -> tf.data.Dataset:
    raise NotImplementedError("these pictures are read by position")


@dataclasses.dataclass(frozen=True)
class Images:
    """The pictures of a split, ready to be read.

    `at`, int64 [b] -> uint8 [b, side, side, 3], reads by position and is made of graph operations; it is None
    where there is only `stream()`, a dataset of n (position, encoded) in order, and `decode` for its elements.
    `tensor` is what the tier holds, or None.
    """

    tier: str
    at: Callable[[tf.Tensor], tf.Tensor] | None = None
    tensor: tf.Tensor | None = None
    stream: Callable[[], tf.data.Dataset] = _no_stream
    decode: Callable[[tf.Tensor], tf.Tensor] = tf.identity

    def take(self, index: np.ndarray) -> np.ndarray:
        """Some pictures, uint8 [k, side, side, 3], gathered where they lie and not on an accelerator."""
        with tf.device("CPU:0"):
            if self.at is not None:
                return self.at(tf.constant(index, tf.int64)).numpy()
            wanted = tf.constant(index, tf.int64)
            chosen = self.stream().filter(lambda position, _: tf.reduce_any(wanted == position))
            found = {int(position): self.decode(encoded).numpy() for position, encoded in chosen}
            return np.stack([found[position] for position in index])


def open_split(split: Split, config: DataConfig, *, tier: str, workers: int = 1) -> Images:
    """Decodes a split into a tier, or makes it ready to be decoded on the fly.

    Args:
      split: what to decode; its order is kept.
      config: `image_size` (set) and the other decode settings; `data_dir`, where tier `disk` keeps its files.
      tier: one of `planner.TIERS`; `device` rests in host memory until the training step takes it over.
      workers: how many processes read parts of these pictures. With several, files in the tier `memory` are
        decoded when they are first asked for.

    Raises:
      UserError: a file that cannot be read or decoded; the message names it.
      OSError, MemoryError: the tier has no room.
    """
    if tier == "disk" and len(split):
        images, rows = disk.mapped(split, config, folder=folder(config), fill=decode_into)
        whole = tf.experimental.dlpack.from_dlpack(np.asarray(images).__dlpack__())
        row_of = tf.constant(rows, tf.int64)
        return Images(tier, at=lambda index: tf.gather(whole, tf.gather(row_of, index)))
    how = Decoding.of(config)
    if tier == "memory" and workers > 1 and split.paths is not None:
        images = _page_aligned((len(split), how.image_size, how.image_size, 3))
        return Images(tier, at=memoized(_file_decoder(split, how), images))
    if tier != "none":
        return from_tensor(in_memory(split, config), tier=tier)
    if split.paths is not None:
        return Images(tier, at=_file_decoder(split, how))
    return Images(tier, stream=lambda: split.encoded().enumerate(), decode=how.any_format)


def from_tensor(tensor: tf.Tensor, *, tier: str = "memory") -> Images:
    """Pictures that lie decoded in a tensor, uint8 [n, height, width, channels]."""
    return Images(tier, at=lambda index: tf.gather(tensor, index), tensor=tensor)


def in_memory(split: Split, config: DataConfig) -> tf.Tensor:
    """uint8 [n, image_size, image_size, 3] in host memory, without a second copy; raises as `open_split`."""
    images = _page_aligned((len(split), config.image_size or 0, config.image_size or 0, 3))
    decode_into(images.__setitem__, split, config)
    return tf.experimental.dlpack.from_dlpack(images.__dlpack__())


def plan(config: DataConfig, *, train: int, held_out: int, on_gpu: bool) -> planner.Plan:
    """The tier for `config.cache`, from what is free now.

    Args:
      config: of the data.
      train: number of training pictures.
      held_out: number of validation and test pictures, which never rest on an accelerator.
      on_gpu: whether there is accelerator memory to use.
    """
    picture = 3 * int(config.image_size or 0) ** 2
    everything = (train + held_out) * picture
    memory = resources.available_memory()
    fits_host = everything <= memory  # the way to the accelerator leads through host memory
    free = {
        "device": nvidia.free_memory() if on_gpu and fits_host else 0,
        "memory": memory,
        # the stores there are shared, or make room
        "disk": resources.free_disk(folder(config)) + row_store.size_of(folder(config)),
    }
    return planner.plan(
        config.cache, needed={"device": train * picture, "memory": everything, "disk": everything}, free=free
    )


def folder(config: DataConfig) -> Path:
    """Where the tier `disk` keeps its files."""
    return config.folder / "decoded"


def _file_decoder(split: Split, how: Decoding) -> Callable[[tf.Tensor], tf.Tensor]:
    paths, plain = tf.constant(split.paths, tf.string), tf.constant(split.plain, tf.bool)
    picture = tf.TensorSpec((how.image_size, how.image_size, 3), tf.uint8)

    def at(index: tf.Tensor) -> tf.Tensor:
        chosen = tf.gather(paths, index)

        def by(decode: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
            return tf.map_fn(lambda path: decode(split.read(path)), chosen, fn_output_signature=picture)

        if split.plain is not None and split.plain.all():
            return by(how.plain_jpeg)
        # one choice a batch, since a choice for each picture costs as much as decoding a small one
        return tf.cond(tf.reduce_all(tf.gather(plain, index)), lambda: by(how.plain_jpeg), lambda: by(how.any_format))

    return at


def _page_aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Private memory at a page boundary: TensorFlow takes an array over without copying if it is aligned."""
    size = int(np.prod(shape))
    pages = mmap.mmap(-1, max(1, size), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, np.uint8, count=size).reshape(shape)
