"""Open a data set, by name, folder or CSV, as encoded pictures with their labels and splits."""

import dataclasses
import hashlib
import os
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata import folder, split
from ftdata.config import DataConfig
from ftdata.encoded import Split
from ftdata.tfds_source import open_tfds


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set ready to be decoded; `notes` says what was decided on the user's behalf, and `held_out` which splits
    were parted off the training pictures because the data set has none."""

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()


def open_source(config: DataConfig, *, seed: int) -> Source:
    """Opens the data set that `config` names and parts off what is held out.

    Where the data set has no validation split, `config.validation_fraction` of the training pictures
    becomes one, stratified by class and, with `config.group_pattern`, group by group. Where it has no test
    split, the same share is held out as one before that.

    Raises:
      ValueError: what is wrong with the data set or the settings, and the way out.
    """
    if config.image_dir or config.labels_csv:
        name, class_names, splits = _open_files(config)
    else:
        name, class_names, splits = open_tfds(config)
    notes: list[str] = []
    train = splits["train"]
    held_out = tuple(name for name in ("validation", "test") if name not in splits)
    if config.group_pattern:
        split.check_pattern(train.names, config.group_pattern)
    if "validation" in splits:
        notes.append("the validation images are those that come with the data set: none are held out for it")
    if "test" not in splits:
        train, splits["test"] = _part(train, config, seed=seed + 1)
        if len(splits["test"]):
            notes.append(f"no test set found: {len(splits['test'])} of the training images are held out as one")
        notes += _lacking("test", splits, class_names, config)
    if "validation" not in splits:
        train, splits["validation"] = _part(train, config, seed=seed)
        notes += _lacking("validation", splits, class_names, config)
    return Source(name, class_names, train, splits["validation"], splits["test"], tuple(notes), held_out)


def load_folder(image_dir: str, *, seed: int = 0, **settings: Any) -> Source:
    """Opens a folder of class folders, for use from a notebook.

    Args:
      image_dir: the folder, in any layout that `ftdata.folder.scan` knows.
      seed: of the validation split.
      **settings: further fields of `ftdata.config.DataConfig`, such as `validation_fraction`.

    Raises:
      ValueError: as `open_source`.
    """
    return open_source(DataConfig(image_dir=image_dir, **settings), seed=seed)


def _lacking(name: str, splits: dict[str, Split], class_names: tuple[str, ...], config: DataConfig) -> list[str]:
    """A line if the split that was held out lacks classes, for want of pictures."""
    there = set(splits[name].labels.tolist())
    lacking = [class_name for label, class_name in enumerate(class_names) if label not in there]
    if not lacking or not config.validation_fraction:
        return []
    more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
    return [f"too few images of {', '.join(lacking[:5])}{more} to hold any out for the {name} split"]


def _part(whole: Split, config: DataConfig, *, seed: int) -> tuple[Split, Split]:
    groups = split.group_ids(whole.names, config.group_pattern) if config.group_pattern else None
    held_out = split.held_out(whole.labels, fraction=config.validation_fraction, seed=seed, groups=groups)
    return whole.subset(~held_out), whole.subset(held_out)


def _open_files(config: DataConfig) -> tuple[str, tuple[str, ...], dict[str, Split]]:
    if config.labels_csv:
        listing, name = folder.read_csv(config.labels_csv, config.image_dir), config.labels_csv
    else:
        listing, name = folder.scan(str(config.image_dir)), str(config.image_dir)
    return name, listing.class_names, {key: _from_files(files) for key, files in listing.splits.items()}


def _from_files(files: folder.Files) -> Split:
    paths = np.array([os.fsencode(path) for path in files.paths], object)

    def stamp(positions: np.ndarray) -> str:
        digest = hashlib.sha256()
        for path in paths[positions]:
            status = os.stat(path)
            digest.update(b"%s\0%d\0%d\0" % (path, status.st_size, status.st_mtime_ns))
        return digest.hexdigest()

    def open_at(positions: np.ndarray) -> tf.data.Dataset:
        chosen = tf.data.Dataset.from_tensor_slices(tf.constant(paths[positions], tf.string))
        return chosen.map(tf.io.read_file, num_parallel_calls=tf.data.AUTOTUNE)

    return Split(files.labels, files.names, np.arange(len(paths)), open_at, stamp, paths)
