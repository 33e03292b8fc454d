"""Open a data set, by name, folder or CSV, as encoded images with their labels and splits."""

import dataclasses
from typing import Any

import numpy as np

from ftdata import labels
from ftdata.config import DataConfig
from ftdata.names import counted, listed
from ftdata.sources import exclusion, holdout, label_holdout
from ftdata.sources.bad_images import BadImage, shared_between
from ftdata.sources.files import ImageFiles, open_files
from ftdata.sources.split import Split
from ftdata.sources.tfds import open_tfds

_ENOUGH_GROUPS = 5  # held out: of fewer, one unusual group decides the accuracy


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set ready to be decoded: its name, its classes, and its three splits.

    Labels are places in `class_names`, or which of them an image shows (`ftdata.labels`). `notes` says what was decided
    on the user's behalf; `bad_images` are the files that are skipped; `held_out` names the splits that were taken from
    the training images because the data set has none.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()
    bad_images: tuple[BadImage, ...] = ()
    held_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """`Source photos: 48 train, 12 validation and 15 test images in 3 classes (blue, green, red)`."""
        train, validation, test = (f"{len(split):,}" for split in self.splits.values())
        return (
            f"Source {self.name}: {train} train, {validation} validation and {test} test images "
            f"in {counted(len(self.class_names), 'class')} ({listed(self.class_names)})"
        )

    def pooled(self) -> "Source":
        """Without a validation split: its images are training images."""
        none = self.validation.subset(np.zeros(len(self.validation), bool))
        notes = tuple(note for note in self.notes if not note.startswith("the validation images are"))
        return dataclasses.replace(self, train=self.train.joined(self.validation), validation=none, notes=notes)

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name: `train`, `validation`, `test`."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def open_source(config: DataConfig) -> Source:
    """Opens the data set that `config` names and splits it.

    Where the data set has no validation split, `config.validation_fraction` of the training images
    becomes one, stratified by class and, with `config.group_pattern`, group by group. Where it has no test
    split, the same share is held out as one before that. Which, is decided by the images' contents and
    `config.split_seed` (see `holdout.places`).

    Raises:
      UserError: what is wrong with the data set or the settings, and the way out.
      TypeError: no DataConfig.
    """
    if not isinstance(config, DataConfig):
        raise TypeError(f"open_source takes a DataConfig, got {config!r}; load_folder takes the path of a folder")
    files: ImageFiles | None = None
    if config.named_files:
        files = open_files(config)
        name, class_names, splits = config.named_files, files.class_names, files.splits
    else:
        name, class_names, splits = open_tfds(config)
    notes: list[str] = list(files.notes) if files else []
    train = splits["train"]
    held_out = tuple(name for name in ("validation", "test") if name not in splits)
    if config.group_pattern:
        holdout.check_pattern(train.names, config.group_pattern)
    if "validation" in splits:
        notes.append("the validation images are those that come with the data set: none are held out for it")
    if "test" not in splits:
        train, splits["test"] = _part(train, config, "test", class_names)
        if len(splits["test"]):
            notes.append(f"no test set found: {len(splits['test'])} of the training images are held out as one")
        notes += _lacking("test", splits, class_names, config)
    if config.exclude_csv:
        splits, lines = exclusion.without_listed({**splits, "train": train}, config.exclude_csv, class_names)
        train, notes = splits["train"], [*notes, *lines]
    if "validation" not in splits:
        train, splits["validation"] = _part(train, config, "validation", class_names)
        notes += _lacking("validation", splits, class_names, config)
    notes += [line for name in held_out for line in _of_few_groups(name, splits[name], config)]
    notes += _of_few_images(splits["validation"], class_names)
    if files:
        notes += shared_between({**splits, "train": train})
    bad = files.bad_images if files else ()
    return Source(name, class_names, train, splits["validation"], splits["test"], tuple(notes), bad, held_out)


def load_folder(image_dir: str, **settings: Any) -> Source:
    """Opens a folder of class folders, for use from a notebook.

    Args:
      image_dir: the folder, in any layout that `ftdata.folders.folder.scan` knows.
      **settings: further fields of `ftdata.config.DataConfig`, such as `validation_fraction`.

    Raises:
      UserError: as `open_source`.

    Example:
      >>> source = load_folder(photos, validation_fraction=0.2)
      >>> source.class_names
      ('blue', 'green', 'red')
      >>> files = source.train.encoded()  # a tf.data.Dataset of scalar strings, in the order of source.train.names
    """
    return open_source(DataConfig(image_dir=image_dir, **settings))


def _lacking(name: str, splits: dict[str, Split], class_names: tuple[str, ...], config: DataConfig) -> list[str]:
    """A line if the split that was held out lacks classes, because there are too few images."""
    there = labels.counts(splits[name].labels, len(class_names))
    lacking = [class_name for class_name, count in zip(class_names, there, strict=True) if not count]
    if not lacking or not config.validation_fraction:
        return []
    return [f"too few images of {listed(lacking)} to hold any out for the {name} split"]


def _of_few_images(validation: Split, class_names: tuple[str, ...]) -> list[str]:
    """A line if the split that chooses the epoch has so few images of a class that one of them decides."""
    if not len(validation) or labels.is_multi(validation.labels):  # whose thresholds have a warning of their own
        return []
    there = labels.counts(validation.labels, len(class_names))
    few = [name for name, count in zip(class_names, there, strict=True) if 0 < count < 2]
    if not few:
        return []
    have = "have a single image each" if len(few) > 1 else "has a single image"
    return [f"warning: {listed(few)} {have} in the validation split, so chance has a say in which epoch is chosen"]


def _of_few_groups(name: str, held_out: Split, config: DataConfig) -> list[str]:
    """A line if the images that were held out are of so few groups that their accuracy says little of another group."""
    if not config.group_pattern or not len(held_out):
        return []
    count = len(set(holdout.group_ids(held_out.names, config.group_pattern).tolist()))
    if count >= _ENOUGH_GROUPS:
        return []
    of = counted(count, "group")
    return [f"the {name} images are of {of}: on another group the accuracy may be far from theirs, better or worse"]


def _part(whole: Split, config: DataConfig, name: str, class_names: tuple[str, ...]) -> tuple[Split, Split]:
    pattern = config.group_pattern
    places = holdout.places(whole.names, whole.digests, seed=config.split_seed, part=name, pattern=pattern)
    choose = label_holdout.held_out if labels.is_multi(whole.labels) else holdout.held_out
    held_out = choose(
        whole.labels,
        places,
        fraction=config.validation_fraction,
        grouped=bool(pattern),
        class_names=class_names,
    )
    return whole.subset(~held_out), whole.subset(held_out)
