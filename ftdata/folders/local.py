"""The listing of a folder or a CSV of this machine, made once although it is asked for twice. No TensorFlow."""

import time
from collections.abc import Collection

from ftdata import address
from ftdata.config import DataConfig
from ftdata.folders import folder, label_sets_csv, labels_csv
from ftdata.folders.folder import Listing

_SOON_S = 60.0  # for which a listing holds: importing TensorFlow takes some of it
_ahead: dict[tuple[object, ...], tuple[float, Listing]] = {}  # one at most: a million images take hundreds of MiB


def is_local(config: DataConfig) -> bool:
    """Whether the images are a folder or a CSV of this machine, not shards, a store or a data set by name."""
    places = (config.image_dir, config.labels_csv)
    return any(places) and not config.records and not any(map(address.scheme_of, places))


def ahead(config: DataConfig) -> Listing:
    """The listing to train on, which the next call of `listed` for the same images takes over instead of another.

    Raises:
      UserError: as `folder.scan`, `labels_csv.read` and `label_sets_csv.read`.
    """
    _ahead.clear()
    found = listed(config)
    _ahead[_key(config)] = time.monotonic(), found
    return found


def listed(config: DataConfig, *, known: Collection[str] | None = None) -> Listing:
    """What a folder or a CSV lists.

    Args:
      config: of the data.
      known: the classes of the model that is measured on it; None where it is to be trained on it.

    Raises:
      UserError: as `folder.scan`, `labels_csv.read` and `label_sets_csv.read`.
    """
    made = _ahead.pop(_key(config), None)
    if made and known is None and time.monotonic() - made[0] < _SOON_S:
        return made[1]
    if not config.labels_csv:
        return folder.scan(str(config.image_dir), known=known, channels=config.channels)
    if config.task == "multi":
        separator = config.label_separator
        return label_sets_csv.read(config.labels_csv, config.image_dir, separator=separator, known=known)
    return labels_csv.read(config.labels_csv, config.image_dir, known=known)


def _key(config: DataConfig) -> tuple[object, ...]:
    return config.image_dir, config.labels_csv, config.task, config.label_separator, config.channels
