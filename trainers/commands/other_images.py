"""Images of none of a run's classes: those that a user names, or rendered everyday things."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from ftdata.cache import in_flight
from ftdata.config import DataConfig
from ftdata.datasets.objects import photos
from ftdata.decoding.decode import Decoding
from ftdata.errors import UserError
from ftdata.folders import folder, named_images
from ftdata.inspection import common_reason
from ftdata.log import log
from ftdata.names import composed
from ftdata.sources import unlabeled

RENDERED = "rendered everyday things"
_OF_A_KIND = 20
_MOST = 2_000


def kinds(class_names: Iterable[str]) -> list[str]:
    """The rendered things that are none of the classes."""
    own = {composed(name).casefold() for name in class_names}
    return [name for name in photos.CLASS_NAMES if name not in own]


def rendered(class_names: Iterable[str], *, of_a_kind: int = _OF_A_KIND) -> list[bytes]:
    """So many JPEG files of each of `kinds`."""
    return [
        photos.jpeg(name, split="test", number=number + 1) for name in kinds(class_names) for number in range(of_a_kind)
    ]


def read(images: str | None, data: DataConfig, *, batch_size: int, class_names: Iterable[str]) -> np.ndarray:
    """Pixels, uint8 [n, image_size, image_size, 3], of the images that can be read; the others are said.

    Args:
      images: what the user names; None for rendered things. Of very many some are taken, evenly spread.
      data: how they are decoded.
      batch_size: how many are decoded together.
      class_names: what they are not.

    Raises:
      UserError: no image is there that can be read.
    """
    if images is None:
        return Decoding.of(data).decode_batch(tf.constant(rendered(class_names))).numpy()
    paths, notes = named_images.find(images, setting="other_images")
    if len(paths) > _MOST:
        notes += (f"{_MOST:,} of {len(paths):,} are looked at",)
        paths = [paths[place] for place in np.linspace(0, len(paths) - 1, _MOST).astype(int)]
    skipped, largest = unlabeled.examined(paths, images, data)
    reasons = {folder.shown(path): why for path, why in skipped.items()}
    good = [path for path in paths if path not in skipped]
    for note in (*notes, *(common_reason.skipped(reasons, total=len(paths)) if good else ())):
        log.info(f"  other images: {note}")
    calls = in_flight.calls(largest, channels=data.channels)
    batches = unlabeled.decoded(good, data, batch_size=batch_size, calls=calls) if good else ()
    found = [pixels.numpy() for _, pixels in batches]
    if not found:
        raise UserError(common_reason.of_answered(reasons, total=len(paths), names=f"other_images={images}"))
    return np.concatenate(found)
