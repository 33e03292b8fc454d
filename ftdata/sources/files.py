"""Open a data set that is a folder, a CSV or shards. Its bad images are found before anything else."""

import dataclasses
import os
from collections.abc import Collection, Sequence

import numpy as np
import tensorflow as tf

from ftdata import parallelism
from ftdata.config import DataConfig
from ftdata.decoding import reading
from ftdata.folders import folder, label_sets_csv, labels_csv
from ftdata.inspection import examine, reports
from ftdata.inspection.report_table import ReportTable
from ftdata.records.listed_records import open_records
from ftdata.sources import bad_images
from ftdata.sources.bad_images import BadImage
from ftdata.sources.split import Split


@dataclasses.dataclass(frozen=True)
class ImageFiles:
    """The good images of a folder, a CSV or shards, and the bad ones."""

    class_names: tuple[str, ...]
    splits: dict[str, Split]
    notes: tuple[str, ...]
    bad_images: tuple[BadImage, ...]


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
    table = examine.inspect_files(
        paths, origin=origin, keep_in=config.folder / "examined", storage=reader, channels=config.channels
    )
    listing, judged, bad = bad_images.drop_bad_images(
        listing,
        _by_split(listing, paths, table),
        on_bad_image=config.on_bad_image,
        max_bad_fraction=config.max_bad_fraction,
    )
    place = os.path.realpath(os.path.expanduser(origin))
    read: reading.Read = reader or tf.io.read_file
    if any(reports_of.has("foreign").any() for reports_of in judged.values()):
        read = reading.Transcoding(read, config.channels)
    shards = reader.files if reader else ()
    splits = {name: _split(files, judged[name], place, read, shards) for name, files in listing.splits.items()}
    several = [
        split.names[k] for name, split in splits.items() for k in np.flatnonzero(judged[name].has("several")).tolist()
    ]
    notes = (*listing.notes, *bad_images.labelled_twice(splits), *reports.of_several(list(dict.fromkeys(several))))
    return ImageFiles(listing.class_names, splits, notes, bad)


def _by_split(listing: folder.Listing, paths: Sequence[str], table: ReportTable) -> dict[str, ReportTable]:
    """The reports on the paths of each split, out of those on all `paths`."""
    counts = {name: len(files.paths) for name, files in listing.splits.items()}
    if sum(counts.values()) == len(paths):  # none stands in two splits
        ends = np.cumsum(list(counts.values())).tolist()
        return {name: table.at(np.arange(end - counts[name], end)) for name, end in zip(counts, ends, strict=True)}
    place_of = {path: place for place, path in enumerate(paths)}
    places = {name: [place_of[path] for path in files.paths] for name, files in listing.splits.items()}
    return {name: table.at(np.array(found, np.int64)) for name, found in places.items()}


def _split(files: folder.Files, judged: ReportTable, origin: str, read: reading.Read, shards: Sequence[str]) -> Split:
    paths = np.array([os.fsencode(path) for path in files.paths], object)

    def open_at(positions: np.ndarray) -> tf.data.Dataset:
        chosen = tf.data.Dataset.from_tensor_slices(tf.constant(paths[positions], tf.string))
        return chosen.with_options(parallelism.fixed())

    plain, digests, numbers = judged.has("plain"), judged.digests.view(np.uint64), np.arange(len(paths))
    return Split(
        files.labels, files.names, numbers, digests, open_at, origin, read, paths, plain, tuple(shards), judged.pixels
    )
