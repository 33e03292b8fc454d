"""Open a data set, by name, folder or CSV, as encoded pictures with their labels and splits."""

import dataclasses
import importlib
import logging
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata import folder, split
from ftdata.config import DataConfig

# Builders of this project: TFDS data sets that need no registration and no network (knifey_spoony excepted).
BUILDERS = {
    "cutlery": "ftdata.cutlery.cutlery_dataset_builder",
    "objects": "ftdata.objects.objects_dataset_builder",
    "knifey_spoony": "ftdata.knifey_spoony.knifey_spoony_dataset_builder",
}


@dataclasses.dataclass(frozen=True)
class Split:
    """Pictures of one split, in a fixed order.

    `labels` is int32 [n]; `names` are file names relative to the data set (numbers where it has none);
    `open_at(positions)` reads the files at `positions` of the whole set, int64 [n], in rising order.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    positions: np.ndarray
    open_at: Callable[[np.ndarray], tf.data.Dataset]

    def __len__(self) -> int:
        return len(self.labels)

    def encoded(self) -> tf.data.Dataset:
        """The image files' bytes: n scalar strings."""
        return self.open_at(self.positions)

    def subset(self, chosen: np.ndarray) -> "Split":
        """The pictures marked in `chosen`, bool [n]."""
        names = tuple(name for name, keep in zip(self.names, chosen, strict=True) if keep)
        return Split(self.labels[chosen], names, self.positions[chosen], self.open_at)


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set ready to be decoded; `notes` says what was decided on the user's behalf."""

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()


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
        name, class_names, splits = _open_tfds(config)
    notes: list[str] = []
    train = splits["train"]
    if "test" not in splits:
        train, splits["test"] = _part(train, config, seed=seed + 1)
        if len(splits["test"]):
            notes.append(f"no test set found: {len(splits['test'])} of the training images are held out as one")
    if "validation" not in splits:
        train, splits["validation"] = _part(train, config, seed=seed)
    return Source(name, class_names, train, splits["validation"], splits["test"], tuple(notes))


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

    def open_at(positions: np.ndarray) -> tf.data.Dataset:
        chosen = tf.data.Dataset.from_tensor_slices(tf.constant(paths[positions], tf.string))
        return chosen.map(tf.io.read_file, num_parallel_calls=tf.data.AUTOTUNE)

    return Split(files.labels, files.names, np.arange(len(paths)), open_at)


def _open_tfds(config: DataConfig) -> tuple[str, tuple[str, ...], dict[str, Split]]:
    builder = _prepared_builder(config)
    image_key, label_key = _feature_keys(builder)
    available = set(builder.info.splits)
    if "train" not in available:
        raise ValueError(f"dataset {config.dataset} has no split 'train', only {', '.join(sorted(available))}")
    splits = {name: _from_tfds(builder, name, image_key, label_key) for name in available & {"train", "test"}}
    if "validation" in available:
        splits["validation"] = _from_tfds(builder, "validation", image_key, label_key)
    if "test" in splits and (splits["test"].labels < 0).any():  # a competition's test set without labels
        del splits["test"]
    if "test" not in splits and "validation" in splits:
        splits["test"] = splits.pop("validation")
    return builder.info.full_name, tuple(builder.info.features[label_key].names), splits


def _prepared_builder(config: DataConfig) -> Any:
    """The TFDS builder, its files written; ours by module, any other by TFDS's registry or from data_dir."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    logging.getLogger("absl").addFilter(_is_worth_saying)
    name = str(config.dataset)
    options = {"data_dir": config.data_dir} if config.data_dir else {}
    try:
        if name in BUILDERS:
            builder = importlib.import_module(BUILDERS[name]).Builder(**options)
        else:
            builder = tfds.builder(name, try_gcs=False, **options)
    except (ValueError, AssertionError) as error:  # not found; malformed; no such configuration or version
        reason = str(error).strip().splitlines()[0]
        choices = f"{', '.join(BUILDERS)}, or a name TensorFlow Datasets knows"
        raise ValueError(f"dataset must be one of {choices}, got {name!r}: {reason}") from None
    if not builder.data_path.exists():
        print(f"preparing data set {name} in {builder.data_path} (once)", flush=True)
        manual = tfds.download.DownloadConfig(manual_dir=config.manual_dir)
        builder.download_and_prepare(download_config=manual)
    return builder


def _is_worth_saying(entry: logging.LogRecord) -> bool:
    """False for what TFDS 4.9.10 says of its own code."""
    return "`FeatureConnector.dtype` is deprecated" not in entry.getMessage()


def _feature_keys(builder: Any) -> tuple[str, str]:
    """The keys of the first image and the first class label among the data set's features."""
    import tensorflow_datasets as tfds

    features = dict(builder.info.features.items())
    image = next((key for key, value in features.items() if isinstance(value, tfds.features.Image)), None)
    label = next((key for key, value in features.items() if isinstance(value, tfds.features.ClassLabel)), None)
    if image is None or label is None:
        raise ValueError(
            f"dataset {builder.name} must have an Image and a ClassLabel feature to train a classifier, "
            f"got {', '.join(f'{key}: {type(value).__name__}' for key, value in features.items())}"
        )
    return image, label


def _from_tfds(builder: Any, split_name: str, image_key: str, label_key: str) -> Split:
    import tensorflow_datasets as tfds

    name_key = next((key for key in ("file_name", "filename", "image/filename") if key in builder.info.features), None)
    wanted = {label_key: True} | ({name_key: True} if name_key else {})
    in_order = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)

    def read(decoders: Any) -> tf.data.Dataset:
        return builder.as_dataset(split=split_name, decoders=decoders, read_config=in_order, shuffle_files=False)

    rows = list(read(tfds.decode.PartialDecoding(wanted)).as_numpy_iterator())
    labels = np.array([row[label_key] for row in rows], np.int32)
    names = tuple(
        row[name_key].decode(errors="replace") if name_key else f"{split_name}/{position:07d}"
        for position, row in enumerate(rows)
    )

    def open_at(positions: np.ndarray) -> tf.data.Dataset:
        mask = np.zeros(len(labels), bool)
        mask[positions] = True
        chosen = tf.constant(mask)
        examples = read({image_key: tfds.decode.SkipDecoding()})
        kept = examples.enumerate().filter(lambda position, _: chosen[position])
        kept = kept.map(lambda _, example: example[image_key])
        return kept.apply(tf.data.experimental.assert_cardinality(len(positions)))

    return Split(labels, names, np.arange(len(labels)), open_at)
