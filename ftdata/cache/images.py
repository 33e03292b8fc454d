"""Images that are ready to be read, by position or as a stream."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import tensorflow as tf

from ftdata import parallelism
from ftdata.decoding.decode import Decoding
from ftdata.sources.split import Split

Read = Callable[[tf.Tensor], tf.Tensor]  # positions, int64 [b] -> uint8 [b, side, side, 3]


@dataclasses.dataclass(frozen=True)
class IndexedImages:
    """Images that can be read in any order.

    `tier` names where they are kept (one of `planner.TIERS`). `read_at` maps positions, int64 [b], to uint8
    [b, side, side, 3] and is made of graph operations. `tensor` holds all of them, uint8 [n, side, side, 3], or is None
    where no tensor does. `content` is what a batch calls them: `image`, or `feature` for what a network has made of
    images, of any type and shape. `parallel_calls` is how many batches may be read at a time.
    """

    tier: str
    read_at: Read
    tensor: tf.Tensor | None = None
    content: str = "image"
    parallel_calls: int = tf.data.AUTOTUNE

    def __repr__(self) -> str:
        """`IndexedImages in memory`: a notebook shows it, and no pixels."""
        return f"IndexedImages in {self.tier}" if self.tier != "none" else "IndexedImages that nothing keeps"

    def subset(self, places: np.ndarray) -> "IndexedImages":
        """The images at `places`, int [k], in that order, without a copy of them."""
        of_all = tf.constant(places, tf.int64)
        tier = "memory" if self.tier == "device" else self.tier  # there is no tensor of them for a device to hold

        def read_at(index: tf.Tensor) -> tf.Tensor:
            return self.read_at(tf.gather(of_all, index))

        return IndexedImages(tier, read_at, None, self.content, self.parallel_calls)

    def take(self, index: np.ndarray) -> np.ndarray:
        """Some of the images, never through an accelerator: int [k] -> uint8 [k, side, side, 3]."""
        with tf.device("CPU:0"):
            return self.read_at(tf.constant(index, tf.int64)).numpy()


@dataclasses.dataclass(frozen=True)
class ImageStream:
    """Images that can only be read in sequence, each decoded whenever it is read.

    `encoded()` is a dataset of n (position int64 [], bytes string []) in order; `decode` turns such bytes into uint8
    [side, side, 3]. `parallel_calls` is how many images may be decoded at a time.
    """

    tier: str
    encoded: Callable[[], tf.data.Dataset]
    decode: Callable[[tf.Tensor], tf.Tensor] = tf.identity
    parallel_calls: int = parallelism.CORES
    tensor: ClassVar[None] = None
    content: ClassVar[str] = "image"

    def take(self, index: np.ndarray) -> np.ndarray:
        """Some of the images, as `IndexedImages.take`; reads the stream to its end."""
        with tf.device("CPU:0"):
            wanted = tf.constant(index, tf.int64)
            chosen = self.encoded().filter(lambda position, _: tf.reduce_any(wanted == position))
            found = {int(position): self.decode(encoded).numpy() for position, encoded in chosen}
            return np.stack([found[position] for position in index])


@dataclasses.dataclass(frozen=True)
class FeatureViews:
    """Features of several views of each of n images, read in place of the images.

    `tier` names where they are kept. `read_at` maps rows, int64 [b], image * views + view, to features [b, ...] and is
    made of graph operations. `order` says which view of an image comes in which pass over the data, uint8 [n, views];
    after the last the first comes again.
    """

    tier: str
    read_at: Callable[[tf.Tensor], tf.Tensor]
    order: np.ndarray

    def in_pass(self, index: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """Features [b, ...] of images, int64 [b], each in the pass over the data whose `number` stands beside it."""
        views = self.order.shape[1]
        with tf.init_scope():  # no part of the graph, which would hold a copy
            order = tf.constant(self.order)
        view = tf.gather_nd(order, tf.stack([index, number % views], axis=1))
        return self.read_at(index * views + tf.cast(view, tf.int64))


Images = IndexedImages | ImageStream  # both have `tier`, `tensor` and `take`


def from_tensor(tensor: tf.Tensor, *, tier: str = "memory") -> IndexedImages:
    """Images that lie decoded in a tensor, uint8 [n, height, width, channels]."""
    return IndexedImages(tier, lambda index: tf.gather(tensor, index), tensor)


def decoder_of_files(split: Split, decoding: Decoding, *, parallel_iterations: int | None = None) -> Read:
    """Reads the image files of a split by position and decodes them, on every read; so many of a batch at a time, where
    they are so large that not all of it may be in memory."""
    paths, plain = tf.constant(split.paths, tf.string), tf.constant(split.plain, tf.bool)
    all_plain = split.plain is not None and bool(split.plain.all())

    def read_at(index: tf.Tensor) -> tf.Tensor:
        chosen = tf.gather(paths, index)

        def decoded(is_plain: bool) -> tf.Tensor:
            return decoding.decode_batch(
                chosen,
                plain=is_plain,
                read=split.read,
                parallel_iterations=parallel_iterations,
                together=parallel_iterations is None,
            )

        if all_plain:
            return decoded(True)
        # one choice a batch: one for each image would cost as much as decoding a small one
        return tf.cond(tf.reduce_all(tf.gather(plain, index)), lambda: decoded(True), lambda: decoded(False))

    return read_at


def memoized(read_at: Read, store: np.ndarray) -> Read:
    """Reads by position as `read_at` does, but each image only once: what was read stays in memory.

    For a worker of several: it reads its own part of every batch, so that in one epoch it decodes that part alone.
    Pages of `store` that nobody has written to take no memory.

    Args:
      read_at: int64 [b] -> uint8 [b, side, side, 3], of graph operations.
      store: uint8 [n, side, side, 3] to keep them in.

    Returns:
      The same function. Two calls at the same time may both decode an image, and store the same bytes.
    """
    is_here = np.zeros(len(store), bool)

    def absent(index: np.ndarray) -> np.ndarray:
        return index[~is_here[index]]

    def keep(index: np.ndarray, new: np.ndarray, decoded: np.ndarray) -> np.ndarray:
        store[new] = decoded
        is_here[new] = True  # only now: whoever sees it finds the image there
        return store[index]

    def read_once(index: tf.Tensor) -> tf.Tensor:
        new = tf.ensure_shape(tf.numpy_function(absent, [index], tf.int64), [None])
        kept = tf.numpy_function(keep, [index, new, read_at(new)], tf.uint8)
        return tf.ensure_shape(kept, [index.shape[0], *store.shape[1:]])

    return read_once
