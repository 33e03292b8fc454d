"""A pattern of shards -> the images in them by split and class, as `folders` lists those of a folder."""

import dataclasses
from collections.abc import Collection
from pathlib import Path

from ftdata.errors import UserError
from ftdata.folders import roles
from ftdata.folders.folder import Listing, listing
from ftdata.names import composed, counted, shown
from ftdata.records import index, shards
from ftdata.records.reading import RecordReader, place
from ftdata.settings import said


def open_records(
    pattern: str, *, keep_in: Path, known: Collection[str] | None = None, named: str | None = None
) -> tuple[Listing, RecordReader]:
    """Lists the images of shards; the paths are places that the reader reads.

    Within a class images have the order of the shards' names and, in a shard, of its records.

    Args:
      pattern: of `--records`.
      keep_in: where indexes are kept.
      known: the classes of the model that is measured on them; None where it is to be trained on them.
      named: what the user calls them, for messages, where the pattern is of copies.

    Raises:
      UserError: as `shards.find`, `index.opened` and `folder.listing`; no training images.
      OSError: a shard cannot be read; no room for images out of compressed Parquet.
    """
    kind, files, notes = shards.find(pattern)
    all_images = index.opened(files, kind, pattern=pattern, keep_in=keep_in)
    if known is None and not any(shard.split == roles.TRAIN for shard in files):
        raise UserError(
            f"records needs shards to train on, got {said(named or pattern)}: all are of the {files[0].split} split by "
            f"their names (such as {shown(Path(files[0].path).name)}); name those of train too"
        )
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    columns = (all_images.source, all_images.offset, all_images.length, all_images.shard, all_images.label)
    rows = zip(*(column.tolist() for column in columns), all_images.names, strict=True)
    for source, offset, length, shard, label, name in rows:
        classes = found.setdefault(files[shard].split, {})
        where = place(all_images.files[source][0], offset, length)
        classes.setdefault(composed(shown(all_images.class_names[label])), []).append((where, shown(name)))
    result = listing(found, named or pattern, known=known)
    copies = sum(size for _, size, _ in all_images.files[len(files) :])
    if copies:
        size = f"{copies / 2**20:,.0f} MiB"
        notes += (f"pages of the Parquet files are compressed: the images are copied to {keep_in} ({size})",)
    splits = ", ".join(f"{len(split.labels):,} {name}" for name, split in result.splits.items())
    notes += (f"{counted(len(files), 'shard')} of {kind}: {splits} images",)
    reader = RecordReader({path: (size, changed) for path, size, changed in all_images.files})
    return dataclasses.replace(result, notes=(*result.notes, *notes)), reader
