"""A pattern of shards -> the images in them by split and class, as `folders` lists those of a folder."""

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from ftdata.errors import UserError
from ftdata.folders import roles
from ftdata.folders.folder import Listing, listing
from ftdata.names import composed, counted, shown
from ftdata.records import index, shards
from ftdata.records.index import Index
from ftdata.records.reading import RecordReader, place
from ftdata.records.remote_reading import RemoteRecords
from ftdata.remote.copies import Copies
from ftdata.settings import said


def open_records(
    pattern: str, *, keep_in: Path, known: Collection[str] | None = None, copies: Copies | None = None
) -> tuple[Listing, RecordReader | RemoteRecords]:
    """Lists the images of shards; the paths are places that the reader reads.

    Within a class images have the order of the shards' names and, in a shard, of its records.

    Args:
      pattern: of `--records`.
      keep_in: where indexes are kept.
      known: the classes of the model that is measured on them; None where it is to be trained on them.
      copies: of the shards, where the pattern is of addresses.

    Raises:
      UserError: as `shards.find`, `Copies.fetch`, `index.opened` and `folder.listing`; no training images.
      OSError: a shard cannot be read; no room for images out of compressed Parquet.
    """
    if copies:
        lacking = copies.fetch()
        kind, files, notes = _in_store(pattern, copies)
        no_copies = f"set --remote_cache_gib={copies.enough} or more, or write them uncompressed" if lacking else ""
        all_images = index.opened(files, kind, pattern=pattern, keep_in=keep_in, lent=copies.lent, no_copies=no_copies)
    else:
        kind, files, notes = shards.find(pattern)
        all_images = index.opened(files, kind, pattern=pattern, keep_in=keep_in)
    if known is None and not any(shard.split == roles.TRAIN for shard in files):
        raise UserError(
            f"records needs shards to train on, got {said(pattern)}: all are of the {files[0].split} split by "
            f"their names (such as {shown(Path(files[0].path).name)}); name those of train too"
        )
    result = listing(_by_class(all_images, [shard.split for shard in files]), pattern, known=known)
    unpacked = sum(size for _, size, _ in all_images.files[len(files) :])
    if unpacked:
        size = f"{unpacked / 2**20:,.0f} MiB"
        notes += (f"pages of the Parquet files are compressed: the images are copied to {keep_in} ({size})",)
    splits = ", ".join(f"{len(split.labels):,} {name}" for name, split in result.splits.items())
    notes += (f"{counted(len(files), 'shard')} of {kind}: {splits} images",)
    reader: RecordReader | RemoteRecords
    reader = RecordReader({path: (size, changed) for path, size, changed in all_images.files})
    if copies:
        reader = RemoteRecords(copies, lacking, reader)
    return dataclasses.replace(result, notes=(*result.notes, *notes)), reader


def _in_store(pattern: str, copies: Copies) -> tuple[str, tuple[shards.Shard, ...], tuple[str, ...]]:
    """As `shards.find`: the version of a file stands for its time of change."""
    urls = sorted(copies.files)
    heads = dict(zip(urls, copies.store.many(lambda url: copies.head(url, shards.HEAD), urls), strict=True))
    kind, chosen, notes = shards.chosen(pattern, heads)
    found = [(url, copies.files[url]) for url in chosen]
    return kind, tuple(shards.Shard(url, file.size, file.stamp, shards.split_of(url)) for url, file in found), notes


class _Images(Sequence[tuple[str, str]]):
    """Some of the images of an index, at `places`, int64 [k]: (place, name) of each, made when it is asked for."""

    def __init__(self, index: Index, places: np.ndarray):
        self._index, self._places = index, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, number: slice) -> "_Images": ...
    def __getitem__(self, number: int | slice) -> "tuple[str, str] | _Images":
        """An image, or some of them."""
        if isinstance(number, slice):
            return _Images(self._index, self._places[number])
        return next(iter(_Images(self._index, self._places[[number]])))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """All of them, in order."""
        found, some = self._index, self._places
        columns = (column[some].tolist() for column in (found.source, found.offset, found.length))
        paths, names = [path for path, _, _ in found.files], iter(found.names.take(some))
        told = names if found.names.are_plain else map(shown, names)
        for source, offset, length, name in zip(*columns, told, strict=True):
            yield place(paths[source], offset, length), name


def _by_class(index: Index, split_of_shard: Sequence[str]) -> dict[str, dict[str, _Images]]:
    """The images by split and class, in the order of the index."""
    called = [composed(shown(name)) for name in index.class_names]  # several spellings may look the same
    class_names, splits = sorted(set(called)), sorted(set(split_of_shard))
    class_of = np.array([class_names.index(name) for name in called])
    split_of = np.array([splits.index(split) for split in split_of_shard])
    both = split_of[index.shard] * len(class_names) + class_of[index.label]
    order = np.argsort(both, kind="stable")
    ends = np.cumsum(np.bincount(both, minlength=len(splits) * len(class_names)))
    found = dict[str, dict[str, _Images]]()
    for number, places in enumerate(np.split(order, ends[:-1])):
        split, name = divmod(number, len(class_names))
        if len(places):
            found.setdefault(splits[split], {})[class_names[name]] = _Images(index, places)
    return found
