"""Open a data set of TensorFlow Datasets: ours by module, any other by its name."""

import hashlib
import importlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ftdata import labels as kinds
from ftdata import parallelism
from ftdata.config import DataConfig
from ftdata.datasets import BUILDERS
from ftdata.decoding import headers
from ftdata.errors import UserError
from ftdata.log import log
from ftdata.names import listed
from ftdata.settings import said
from ftdata.sources.split import Split
from ftdata.texts import Texts

_HEAD = 2**18  # bytes of an image, in which its size stands


def open_tfds(config: DataConfig) -> tuple[str, tuple[str, ...], dict[str, Split]]:
    """Opens `config.dataset`, preparing it where that has not been done yet.

    Returns:
      Its full name, its class names, and the splits it has of `train`, `validation` and `test`. A validation
      split serves as the test set where there is no other with labels. With task=multi the labels are those of a
      Sequence of ClassLabel, float32 [n, num_classes] of 0 and 1.

    Raises:
      UserError: an unknown name, no split `train`, no image or no label among its features, or, of several labels an
        image, one that no training image has.
    """
    builder = _prepared_builder(config)
    is_multi = config.task == "multi"
    image_key, label_key = _feature_keys(builder, is_multi=is_multi)
    available = set(builder.info.splits)
    if "train" not in available:
        raise UserError(f"dataset {config.dataset} has no split 'train', only {', '.join(sorted(available))}")
    feature = builder.info.features[label_key]
    class_names = tuple((feature.feature if is_multi else feature).names)
    among = len(class_names) if is_multi else None
    wanted = [name for name in ("train", "test", "validation") if name in available]
    splits = {name: _from_tfds(builder, name, image_key, label_key, among=among) for name in wanted}
    if "test" in splits and _lacks_labels(splits["test"].labels):  # that of a competition
        del splits["test"]
    if "test" not in splits and "validation" in splits:
        splits["test"] = splits.pop("validation")
    if is_multi:
        _check_shown(splits["train"].labels, class_names, config)
    return builder.info.full_name, class_names, splits


def _lacks_labels(labels: np.ndarray) -> bool:
    return not labels.any() if kinds.is_multi(labels) else bool((labels < 0).any())


def _check_shown(labels: np.ndarray, class_names: tuple[str, ...], config: DataConfig) -> None:
    unseen = [
        name for name, count in zip(class_names, kinds.counts(labels, len(class_names)), strict=True) if not count
    ]
    if unseen:
        raise UserError(f"dataset {config.dataset}: no training image shows {listed(unseen)}, so it cannot be learned")


def _prepared_builder(config: DataConfig) -> Any:
    """The TFDS builder, its files written."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    logging.getLogger("absl").addFilter(_is_worth_saying)
    manual = Path(config.manual_dir).expanduser() if config.manual_dir else None
    if manual and not manual.exists():
        raise UserError(f"manual_dir must be a folder or an archive, got {said(config.manual_dir)}: no such file")
    builder = _builder(config, manual)
    if not builder.data_path.exists():
        log.info(f"preparing data set {config.dataset} in {builder.data_path} (once)")
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=manual))
    elif manual and config.dataset not in BUILDERS:
        log.info(
            f"note: {config.dataset} was prepared before, and --manual_dir is read only then; to prepare it again, "
            f"remove {builder.data_path} or give another --data_dir"
        )
    return builder


def _builder(config: DataConfig, manual: Path | None) -> Any:
    """Ours by module, any other by TFDS's registry or from data_dir."""
    import tensorflow_datasets as tfds

    name = str(config.dataset)
    options: dict[str, Any] = {"data_dir": str(config.folder)} if config.data_dir else {}
    try:
        if name not in BUILDERS:
            return tfds.builder(name, try_gcs=False, **options)
        module = importlib.import_module(BUILDERS[name])
        builder = module.Builder(**options)
        if hasattr(module, "source_config"):  # what is prepared depends on what was given
            given = manual or Path(builder.data_dir_root, "downloads", "manual")  # TFDS's own default
            builder = module.Builder(config=module.source_config(given), **options)
        return builder
    except (ValueError, AssertionError) as error:  # not found; malformed; no such configuration or version
        reason = str(error).strip().splitlines()[0]
        choices = f"{', '.join(BUILDERS)}, or a name TensorFlow Datasets knows"
        raise UserError(f"dataset must be one of {choices}, got {said(name)}: {reason}") from None


def _is_worth_saying(entry: logging.LogRecord) -> bool:
    """False for what TFDS 4.9.10 says of its own code, and of configurations chosen here."""
    idle = ("`FeatureConnector.dtype` is deprecated", "Using custom data configuration")
    return not any(text in entry.getMessage() for text in idle)


def _feature_keys(builder: Any, *, is_multi: bool) -> tuple[str, str]:
    """The keys of the image and of the class label, or the labels: the data set's own choice, else the first among its
    features."""
    import tensorflow_datasets as tfds

    features = dict(builder.info.features.items())
    chosen = [key for key in builder.info.supervised_keys or () if key in features]
    keys = dict.fromkeys((*chosen, *features))
    image = next((key for key in keys if isinstance(features[key], tfds.features.Image)), None)
    singles = [key for key in keys if isinstance(features[key], tfds.features.ClassLabel)]
    sequences = [key for key in keys if _is_of_labels(features[key])]
    labels, others = (sequences, singles) if is_multi else (singles, sequences)
    label = labels[0] if labels else None
    if image is None or label is None:
        kind, way = ("a Sequence of ClassLabel", "") if is_multi else ("a ClassLabel", "")
        if image is not None and others:
            task, told = ("single", "has one class an image") if is_multi else ("multi", "has several labels an image")
            way = f": it {told}, which is --task={task}"
        raise UserError(
            f"dataset {builder.name} must have an Image and {kind} feature to train a classifier, "
            f"got {', '.join(f'{key}: {type(value).__name__}' for key, value in features.items())}{way}"
        )
    if len(labels) > 1:
        log.info(f"note: {builder.name} has the labels {', '.join(labels)}: {label} is trained")
    return image, label


def _is_of_labels(feature: Any) -> bool:
    """Whether it is a sequence of class labels, as `labels` of voc."""
    import tensorflow_datasets as tfds

    return isinstance(feature, tfds.features.Sequence) and isinstance(feature.feature, tfds.features.ClassLabel)


def _from_tfds(builder: Any, split_name: str, image_key: str, label_key: str, *, among: int | None) -> Split:
    """A split, of several labels an image where `among` says of how many classes."""
    import tensorflow_datasets as tfds

    name_key = next((key for key in ("file_name", "filename", "image/filename") if key in builder.info.features), None)
    wanted = {label_key: True, image_key: True} | ({name_key: True} if name_key else {})
    in_order = tfds.ReadConfig(options=parallelism.fixed(), interleave_cycle_length=1, try_autocache=False)

    def read(decoders: Any) -> tf.data.Dataset:
        return builder.as_dataset(split=split_name, decoders=decoders, read_config=in_order, shuffle_files=False)

    examples = read(tfds.decode.PartialDecoding(wanted, {image_key: tfds.decode.SkipDecoding()}))
    rows = examples.map(lambda example: example | {image_key: tf.strings.substr(example[image_key], 0, _HEAD)})
    all_labels, all_names, pixels = [], [], []
    for position, row in enumerate(rows.as_numpy_iterator()):
        all_labels.append(row[label_key])
        all_names.append(row[name_key].decode(errors="replace") if name_key else f"{split_name}/{position:07d}")
        pixels.append(_claimed_pixels(row[image_key]))
    labels, names = _labels(all_labels, among), Texts.of(all_names)

    def open_at(positions: np.ndarray) -> tf.data.Dataset:
        mask = np.zeros(len(labels), bool)
        mask[positions] = True
        chosen = tf.constant(mask)
        examples = read({image_key: tfds.decode.SkipDecoding()})
        kept = examples.enumerate().filter(lambda position, _: chosen[position])
        kept = kept.map(lambda _, example: example[image_key])
        return kept.apply(tf.data.experimental.assert_cardinality(len(positions)))

    files = sorted(builder.data_path.glob(f"*{split_name}*"))
    status = [(file.name, os.stat(file).st_size, os.stat(file).st_mtime_ns) for file in files]
    origin = f"{builder.info.full_name} {split_name} {status}"
    # of names: a pass over the encoded images of a large data set would take longer than an epoch
    whole = (f"{builder.name}/{split_name}/{name}".encode(errors="surrogateescape") for name in names)
    digests = np.frombuffer(b"".join(hashlib.blake2b(name, digest_size=16).digest() for name in whole), np.uint64)
    places, records = np.arange(len(labels)), tuple(str(file) for file in files)
    sizes = np.array(pixels, np.int64)
    return Split(labels, names, places, digests.reshape(-1, 2), open_at, origin, records=records, pixels=sizes)


def _claimed_pixels(head: bytes) -> int:
    """How many pixels an image claims that begins with `head`; 0 where that does not say it."""
    try:
        return headers.read(head).pixels
    except UserError:
        return 0


def _labels(rows: Sequence[Any], among: int | None) -> np.ndarray:
    if among is None:
        return np.array(rows, np.int32)
    labels = np.zeros((len(rows), among), np.float32)
    for number, places in enumerate(rows):
        labels[number, places] = 1
    return labels
