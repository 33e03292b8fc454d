"""Images of none of a run's classes: those that a user names, or rendered everyday things."""

import numpy as np
import tensorflow as tf

from ftdata.config import DataConfig
from ftdata.datasets.objects import photos
from ftdata.decoding.decode import Decoding
from ftdata.errors import UserError
from ftdata.log import log
from ftdata.sources import unlabeled

RENDERED = "rendered everyday things"
_OF_A_KIND = 20


def read(images: str | None, data: DataConfig, *, batch_size: int) -> np.ndarray:
    """Pixels, uint8 [n, image_size, image_size, 3], of the images that can be read; the others are said.

    Args:
      images: what the user names; None for rendered things.
      data: how they are decoded.
      batch_size: how many are decoded together.

    Raises:
      UserError: no image is there.
    """
    if images is None:
        numbers = range(1, _OF_A_KIND + 1)
        files = [photos.jpeg(name, split="test", number=number) for name in photos.CLASS_NAMES for number in numbers]
        return Decoding.of(data).decode_batch(tf.constant(files)).numpy()
    paths, notes = unlabeled.find(images)
    skipped = unlabeled.examined(paths, images, data)
    for note in (*notes, *(f"skipped: {path}: {why}" for path, why in skipped.items())):
        log.info(f"  other images: {note}")
    good = [path for path in paths if path not in skipped]
    if not good:
        raise UserError(f"none of the {len(paths)} files of other_images {images!r} can be read as an image")
    batches = unlabeled.decoded(good, data, batch_size=batch_size)
    return np.concatenate([pixels.numpy() for _, pixels in batches])
