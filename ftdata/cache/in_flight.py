"""How many images are decoded at one time: fewer where they are so large that many would not fit into memory.

An image of 50 megapixels takes 190 MiB before it has the size that is trained on, on each core that decodes one.
"""

import numpy as np
import tensorflow as tf

from ftdata import parallelism
from ftdata.cache import resources
from ftdata.decoding.decode import Decoding
from ftdata.sources.split import Split

_BYTES = 2  # a pixel and channel: 1.3 of a JPEG, measured, up to 2 of what is turned or not stored as it is shown
_USUAL = 10  # images of a batch that tf.map_fn decodes at a time
_SHARE, _LEAST = 8, 600 * 2**20  # of what is free an eighth, but room for two of the largest images in any case


def most(split: Split, decoding: Decoding) -> int | None:
    """How many images of a split may be decoded at a time, by the largest of them; None where that is not known."""
    largest = largest_of(split)
    if largest is None:
        return None
    if decoding.jpeg_decode == "scaled" and split.plain is not None and split.plain.all():
        # at 1/8 of its size, or a shorter side of less than twice what is needed and a longer one of up to eight times
        largest = min(largest, max(largest // 64, 16 * decoding.image_size**2))
    return _within_budget(_BYTES * decoding.channels * largest)


def largest_of(split: Split) -> int | None:
    """The pixels of the largest image of a split; None where that is not known."""
    return None if split.pixels is None or not len(split) else int(split.pixels.max())


def calls(largest: int | None, *, channels: int = 3, bytes_each: float = _BYTES) -> int:
    """How many calls may decode an image each at a time: as many as cores, or as the largest of them leave room for.

    Args:
      largest: its pixels; None where that is not known.
      channels: of the images.
      bytes_each: that a pixel and channel takes while an image is decoded and looked at.
    """
    if not largest:
        return parallelism.CORES
    return min(parallelism.CORES, _within_budget(int(bytes_each * channels * largest)))


def _within_budget(size: int) -> int:
    budget = max(_LEAST, resources.available_memory() // _SHARE)
    return int(np.clip(budget // max(1, size), 1, 2**20))


def of_batches(split: Split, decoding: Decoding) -> tuple[int, int | None]:
    """How many batches may be decoded at a time, and how many images of each; what is usual where all fit."""
    limit = most(split, decoding)
    if limit is None or limit >= _USUAL * parallelism.CORES:
        return tf.data.AUTOTUNE, None
    at_once = min(parallelism.CORES, limit)
    return at_once, limit // at_once
