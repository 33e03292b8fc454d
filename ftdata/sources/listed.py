"""A folder, a CSV or shards, on this machine or in a store -> the images that they list, and what reads them."""

import functools
from collections.abc import Collection, Mapping
from pathlib import Path

from ftdata import address
from ftdata.config import DataConfig
from ftdata.decoding import foreign
from ftdata.errors import UserError
from ftdata.folders import folder, label_sets_csv, labels_csv, local, stored_tree
from ftdata.folders.folder import Listing
from ftdata.folders.root import StoredRoot
from ftdata.log import log
from ftdata.names import counted
from ftdata.records.listed_records import open_records
from ftdata.records.reading import RecordReader
from ftdata.remote import copies, patterns
from ftdata.remote.cache import Cache
from ftdata.remote.copies import Copies
from ftdata.remote.files import RemoteFiles
from ftdata.remote.reader import RemoteReader
from ftdata.remote.remote_file import RemoteFile
from ftdata.remote.store import Store

Reader = RecordReader | RemoteReader


def listed(config: DataConfig, *, known: Collection[str] | None = None) -> tuple[Listing, Reader | None]:
    """What `config.named_files` lists; what reads it, None where that is files of this machine.

    Args:
      config: of the data.
      known: the classes of the model that is measured on it; None where it is to be trained on it.

    Raises:
      UserError: as `local.listed`, `open_records`, `Store` and `Copies.fetch`.
    """
    if config.records:
        return _records(config, config.records, known)
    if local.is_local(config):
        return local.listed(config, known=known), None
    if config.labels_csv:
        return _labelled(config, config.labels_csv, known)
    return _folder(config, address.whole(str(config.image_dir)), known)


def _records(config: DataConfig, pattern: str, known: Collection[str] | None) -> tuple[Listing, Reader]:
    keep_in = config.folder / "records"
    if not address.scheme_of(pattern):
        return open_records(pattern, keep_in=keep_in, known=known)
    store = _store(config, pattern)
    found = patterns.shards(address.whole(pattern), store)
    of_shards = Copies(found.files, store, _cache(config, found.root), found.beside)
    return open_records(pattern, keep_in=keep_in, known=known, copies=of_shards)


def _labelled(config: DataConfig, table: str, known: Collection[str] | None) -> tuple[Listing, Reader | None]:
    copy: Path | None = None
    if address.scheme_of(table):
        url = address.whole(table)
        copy = copies.one(url, _store(config, url), _cache(config, url))
    place = config.image_dir or (address.whole(table).rpartition("/")[0] if copy else None)
    root, found, store = None, dict[str, RemoteFile](), None
    if place and address.scheme_of(place):
        place = address.whole(place)
        store = _store(config, place)
        root = StoredRoot(place, functools.partial(_look_up, store, place, found))
    if config.task == "multi":
        separator = config.label_separator
        listing = label_sets_csv.read(table, place, separator=separator, known=known, root=root, copy=copy)
    else:
        listing = labels_csv.read(table, place, known=known, root=root, copy=copy)
    return listing, _reader(config, str(place), listing, found, store) if store else None


def _look_up(store: Store, root: str, found: dict[str, RemoteFile], names: Collection[str]) -> dict[str, RemoteFile]:
    """The files of some names, which `found` keeps: from the listing of the folder, or else one by one."""
    if not store.has_listing:
        found.update(patterns.all_of([name for name in names if name not in found], root, store))
    elif not found:
        found.update(_files_below(store, root))
    return found


def _files_below(store: Store, root: str) -> dict[str, RemoteFile]:
    log.info(f"  listing {root}")
    files = store.find(root)
    if not files:
        raise UserError(f"there is nothing at {root}: check the address, whose capitals count")
    return files


def _folder(config: DataConfig, root: str, known: Collection[str] | None) -> tuple[Listing, Reader]:
    store = _store(config, root)
    files = _files_below(store, root)

    def heads(names: Collection[str]) -> Mapping[str, bytes]:
        def head(name: str) -> bytes:
            return store.content(files[name], 0, min(files[name].size, foreign.HEAD)) if files[name].size else b""

        return dict(zip(names, store.many(head, names), strict=True))

    top = stored_tree.grown(files, heads, channels=config.channels)
    listing = folder.scan(root, known=known, channels=config.channels, top=top)
    return listing, _reader(config, root, listing, files, store)


def _reader(
    config: DataConfig, root: str, listing: Listing, files: Mapping[str, RemoteFile], store: Store
) -> RemoteFiles:
    """Reads the images of a listing by their places, which are the root and their names."""
    places = dict.fromkeys(path for split in listing.splits.values() for path in split.paths)
    named = {place: files[place[len(root) + 1 :]] for place in places}
    size = sum(file.size for file in named.values())
    log.info(f"  {counted(len(named), 'image')} of {size / 2**20:,.1f} MiB at {root}")
    return RemoteFiles(named, store, _cache(config, root))


def _store(config: DataConfig, url: str) -> Store:
    return Store(url, timeout_s=config.remote_timeout_s)


def _cache(config: DataConfig, url: str) -> Cache:
    return Cache(config.folder / "remote", url, limit_gib=config.remote_cache_gib)
