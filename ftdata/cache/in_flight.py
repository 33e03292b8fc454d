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
    if split.pixels is None or not len(split):
        return None
    largest = int(split.pixels.max())
    if decoding.jpeg_decode == "scaled" and split.plain is not None and split.plain.all():
        # at 1/8 of its size, or a shorter side of less than twice what is needed and a longer one of up to eight times
        largest = min(largest, max(largest // 64, 16 * decoding.image_size**2))
    budget = max(_LEAST, resources.available_memory() // _SHARE)
    return int(np.clip(budget // max(1, _BYTES * decoding.channels * largest), 1, 2**20))


def of_batches(split: Split, decoding: Decoding) -> tuple[int, int | None]:
    """How many batches may be decoded at a time, and how many images of each; what is usual where all fit."""
    limit = most(split, decoding)
    if limit is None or limit >= _USUAL * parallelism.CORES:
        return tf.data.AUTOTUNE, None
    calls = min(parallelism.CORES, limit)
    return calls, limit // calls
