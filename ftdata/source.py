"""Open a data set, by name, folder or CSV, as encoded pictures with their labels and splits."""

import dataclasses
import re
from typing import Any

from ftdata import split
from ftdata.bad_images import BadImage, shared_between
from ftdata.config import DataConfig
from ftdata.encoded import Split
from ftdata.file_source import ImageFiles, open_files
from ftdata.tfds_source import open_tfds


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set ready to be decoded.

    `notes` says what was decided on the user's behalf; `bad_images` are the files that were left out.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()
    bad_images: tuple[BadImage, ...] = ()


def open_source(config: DataConfig, *, seed: int) -> Source:
    """Opens the data set that `config` names and parts off what is held out.

    Where the data set has no validation split, `config.validation_fraction` of the training pictures
    becomes one, stratified by class and, with `config.group_pattern`, group by group. Where it has no test
    split, the same share is held out as one before that.

    Raises:
      ValueError: what is wrong with the data set or the settings, and the way out.
    """
    files: ImageFiles | None = None
    if config.image_dir or config.labels_csv:
        files = open_files(config)
        name, class_names, splits = config.labels_csv or str(config.image_dir), files.class_names, files.splits
    else:
        name, class_names, splits = open_tfds(config)
    notes: list[str] = list(files.notes) if files else []
    train = splits["train"]
    if config.group_pattern:
        _check_group_pattern(tuple(name.rsplit("/", 1)[-1] for name in train.names) + train.names, config.group_pattern)
    if "test" not in splits:
        train, splits["test"] = _part(train, config, seed=seed + 1)
        if len(splits["test"]):
            notes.append(f"no test set found: {len(splits['test'])} of the training images are held out as one")
    if "validation" not in splits:
        train, splits["validation"] = _part(train, config, seed=seed)
    if files:
        notes += shared_between({**splits, "train": train}, files.judged)
    bad = files.bad_images if files else ()
    return Source(name, class_names, train, splits["validation"], splits["test"], tuple(notes), bad)


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


def _check_group_pattern(names: tuple[str, ...], pattern: str) -> None:
    if names and not any(re.search(pattern, name) for name in names):
        raise ValueError(
            f"group_pattern must match file names such as {names[0]!r}, got {pattern!r}, which matches none"
        )


def _part(whole: Split, config: DataConfig, *, seed: int) -> tuple[Split, Split]:
    groups = split.group_ids(whole.names, config.group_pattern) if config.group_pattern else None
    held_out = split.held_out(whole.labels, fraction=config.validation_fraction, seed=seed, groups=groups)
    return whole.subset(~held_out), whole.subset(held_out)
