"""The images of one split as encoded files, in a fixed order."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ftdata import parallelism
from ftdata.names import counted
from ftdata.texts import Texts


@dataclasses.dataclass(frozen=True)
class Split:
    """Images of one split, in a fixed order.

    `labels` is int32 [n], or float32 [n, num_classes] (`ftdata.labels`); `names` are file names relative to the data
    set (numbers where it has none).
    `positions`, int64 [n], rising, says where they stand in the whole set, of which `open_at(positions)` is a
    dataset of n scalars, and `read` turns one into the bytes of an image file.
    `digests`, uint64 [n, 2], are of the files' contents or, where images are no files, of their names; `origin` is
    where the whole set comes from: in it images of one digest are the same.
    `paths`, bytes [n], is None where images can only be read in sequence; so is `plain`, bool [n], which files
    are `jpeg.is_plain_jpeg`, and `pixels`, int64 [n], how many each file's header says. `records` are the paths of the
    files that hold the images where they are no files: with
    `paths`, which then are places in them, images are read in any order all the same.
    """

    labels: np.ndarray
    names: Texts
    positions: np.ndarray
    digests: np.ndarray
    open_at: Callable[[np.ndarray], tf.data.Dataset]
    origin: str
    read: Callable[[tf.Tensor], tf.Tensor] = tf.identity
    paths: np.ndarray | None = None
    plain: np.ndarray | None = None
    records: tuple[str, ...] = ()
    pixels: np.ndarray | None = None

    def __repr__(self) -> str:
        """`Split of 12 images from photos`: a notebook shows it, and no line for each file."""
        return f"Split of {counted(len(self), 'image')} from {self.origin}"

    def __len__(self) -> int:
        return len(self.labels)

    def encoded(self) -> tf.data.Dataset:
        """The image files' bytes: n scalar strings."""
        return self.open_at(self.positions).map(self.read, num_parallel_calls=parallelism.CORES)

    def subset(self, chosen: np.ndarray) -> "Split":
        """The images for which `chosen`, bool [n], is True."""
        return dataclasses.replace(
            self,
            labels=self.labels[chosen],
            names=self.names.take(np.flatnonzero(chosen)),
            positions=self.positions[chosen],
            digests=self.digests[chosen],
            paths=None if self.paths is None else self.paths[chosen],
            plain=None if self.plain is None else self.plain[chosen],
            pixels=None if self.pixels is None else self.pixels[chosen],
        )

    def joined(self, other: "Split") -> "Split":
        """The images of both: these first, or in the order that they had where one set was divided into the two."""
        count, positions = len(self), np.concatenate([self.positions, other.positions])
        is_one = self.open_at is other.open_at
        order = np.argsort(positions) if is_one else np.arange(count + len(other))

        def open_at(places: np.ndarray) -> tf.data.Dataset:
            mine, others = places[places < count], places[places >= count] - count
            return self.open_at(self.positions[mine]).concatenate(other.open_at(other.positions[others]))

        def both(one: np.ndarray | None, two: np.ndarray | None) -> np.ndarray | None:
            return None if one is None or two is None else np.concatenate([one, two])[order]

        return dataclasses.replace(
            self,
            labels=np.concatenate([self.labels, other.labels])[order],
            names=(self.names + other.names).take(order),
            positions=positions[order] if is_one else order,
            digests=np.concatenate([self.digests, other.digests])[order],
            open_at=self.open_at if is_one else open_at,
            origin=self.origin if self.origin == other.origin else f"{self.origin} {other.origin}",
            paths=both(self.paths, other.paths),
            plain=both(self.plain, other.plain),
            pixels=both(self.pixels, other.pixels),
            records=tuple(dict.fromkeys((*self.records, *other.records))),
        )
