"""Open a data set that is a folder, a CSV or shards. Its bad images are found before anything else."""

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import tensorflow as tf

from ftdata import parallelism
from ftdata.config import DataConfig
from ftdata.decoding import reading
from ftdata.folders import folder, label_sets_csv, labels_csv
from ftdata.inspection import examine, reports
from ftdata.inspection.reports import FileReport
from ftdata.records.listed_records import open_records
from ftdata.sources import bad_images
from ftdata.sources.bad_images import BadImage
from ftdata.sources.split import Split


@dataclasses.dataclass(frozen=True)
class ImageFiles:
    """The good images of a folder, a CSV or shards, the bad ones, and the report on each path of either."""

    class_names: tuple[str, ...]
    splits: dict[str, Split]
    notes: tuple[str, ...]
    bad_images: tuple[BadImage, ...]
    judged: Mapping[str, FileReport]


def open_files(config: DataConfig, *, known: Collection[str] | None = None) -> ImageFiles:
    """Opens `config.named_files`; with the classes `known` to a model, for measuring it.

    Raises:
      UserError: as `folder.scan`, `labels_csv.read`, `label_sets_csv.read`, `open_records` and
        `bad_images.drop_bad_images`.
    """
    origin, reader = str(config.named_files), None
    if config.records:
        listing, reader = open_records(origin, keep_in=config.folder / "records", known=known)
    elif config.labels_csv and config.task == "multi":
        listing = label_sets_csv.read(origin, config.image_dir, separator=config.label_separator, known=known)
    elif config.labels_csv:
        listing = labels_csv.read(config.labels_csv, config.image_dir, known=known)
    else:
        listing = folder.scan(origin, known=known, channels=config.channels)
    paths = list(dict.fromkeys(path for files in listing.splits.values() for path in files.paths))
    verdicts = examine.inspect_files(
        paths, origin=origin, keep_in=config.folder / "examined", storage=reader, channels=config.channels
    )
    judged = dict(zip(paths, verdicts, strict=True))
    listing, bad = bad_images.drop_bad_images(
        listing, judged, on_bad_image=config.on_bad_image, max_bad_fraction=config.max_bad_fraction
    )
    place = os.path.realpath(os.path.expanduser(origin))
    named = [pair for files in listing.splits.values() for pair in zip(files.paths, files.names, strict=True)]
    shown = {name: judged[path] for path, name in named}
    read: reading.Read = reader or tf.io.read_file
    if any(report.foreign for report in shown.values()):
        read = reading.Transcoding(read, config.channels)
    shards = reader.files if reader else ()
    splits = {name: _split(files, judged, place, read, shards) for name, files in listing.splits.items()}
    notes = (*listing.notes, *bad_images.labelled_twice(listing, judged), *reports.of_several(shown))
    return ImageFiles(listing.class_names, splits, notes, bad, judged)


def _split(
    files: folder.Files, judged: Mapping[str, FileReport], origin: str, read: reading.Read, shards: Sequence[str]
) -> Split:
    paths = np.array([os.fsencode(path) for path in files.paths], object)

    def open_at(positions: np.ndarray) -> tf.data.Dataset:
        chosen = tf.data.Dataset.from_tensor_slices(tf.constant(paths[positions], tf.string))
        return chosen.with_options(parallelism.fixed())

    plain = np.array([judged[path].plain for path in files.paths], bool)
    contents = b"".join(bytes.fromhex(str(judged[path].digest)) for path in files.paths)
    digests = np.frombuffer(contents, np.uint64).reshape(-1, 2)
    numbers = np.arange(len(paths))
    return Split(files.labels, files.names, numbers, digests, open_at, origin, read, paths, plain, tuple(shards))
