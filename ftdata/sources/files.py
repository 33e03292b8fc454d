"""Open a data set that is a folder, a CSV or shards. Its bad images are found before anything else."""

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
import tensorflow as tf

from ftdata import address, parallelism
from ftdata.config import DataConfig
from ftdata.decoding import reading
from ftdata.folders import folder
from ftdata.inspection import examine, reports
from ftdata.inspection.report_table import ReportTable
from ftdata.records.reading import RecordReader
from ftdata.records.remote_reading import RemoteRecords
from ftdata.remote.reader import RemoteReader
from ftdata.sources import bad_images
from ftdata.sources.bad_images import BadImage
from ftdata.sources.listed import listed
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
      UserError: as `listed` and `bad_images.drop_bad_images`.
    """
    origin = str(config.named_files)
    listing, reader = listed(config, known=known)
    paths = list(dict.fromkeys(path for files in listing.splits.values() for path in files.paths))
    table = examine.inspect_files(
        paths, origin=origin, keep_in=config.folder / "examined", storage=reader, channels=config.channels
    )
    listing, judged, bad = bad_images.drop_bad_images(
        listing,
        _by_split(listing, paths, table),
        on_bad_image=config.on_bad_image,
        max_bad_fraction=config.max_bad_fraction,
        of_model=known is not None,
    )
    place = address.real(origin)
    read: reading.Read = reader or tf.io.read_file
    if any(reports_of.has("foreign").any() for reports_of in judged.values()):
        read = reading.Transcoding(read, config.channels)
    shards = reader.files if isinstance(reader, RecordReader | RemoteRecords) else ()
    splits = {name: _split(files, judged[name], place, read, shards) for name, files in listing.splits.items()}
    several = [
        split.names[k] for name, split in splits.items() for k in np.flatnonzero(judged[name].has("several")).tolist()
    ]
    remote = reader.notes() if isinstance(reader, RemoteReader) else ()
    several_of = reports.of_several(list(dict.fromkeys(several)))
    notes = (*listing.notes, *remote, *bad_images.labelled_twice(splits), *several_of)
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
    paths = np.array(list(files.paths.encoded()), object)

    def open_at(positions: np.ndarray) -> tf.data.Dataset:
        chosen = tf.data.Dataset.from_tensor_slices(tf.constant(paths[positions], tf.string))
        return chosen.with_options(parallelism.fixed())

    plain, digests, numbers = judged.has("plain"), judged.digests.view(np.uint64), np.arange(len(paths))
    return Split(
        files.labels, files.names, numbers, digests, open_at, origin, read, paths, plain, tuple(shards), judged.pixels
    )
