"""The index of shards: where the bytes of each image lie, its name, class and split. Made once and kept.

One file `index.npz` in a folder for each pattern. It holds as long as names, sizes and times of change of the shards
do; then it is made again, and so are the copies beside it of images out of compressed Parquet. No pickle.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import importlib
import itertools
import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from ftdata import address, atomic, file_lock
from ftdata.log import log
from ftdata.names import counted
from ftdata.records.record import Record
from ftdata.records.shards import PARQUET, Shard
from ftdata.texts import Texts

_VERSION = 1  # raise this when a shard could be read in another way
_COPIES = "unpacked-{:05}.bin"
Lent = Callable[[str], contextlib.AbstractContextManager[str]]
_ARRAYS = ("source", "offset", "length", "shard", "label")


@dataclasses.dataclass(frozen=True)
class Index:
    """n images in the order of the shards: arrays of n, and what their numbers stand for.

    `source`, int32, is a place in `files`, (path, size, time of change in ns) of where the bytes lie; `offset` and
    `length`, int64; `shard`, int32, a place among the shards; `label`, int32, a place in `class_names`.
    """

    source: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    shard: np.ndarray
    label: np.ndarray
    names: Texts
    files: tuple[tuple[str, int, int], ...]
    class_names: tuple[str, ...]


def opened(
    shards: Sequence[Shard],
    kind: str,
    *,
    pattern: str,
    keep_in: Path,
    lent: Lent = contextlib.nullcontext,
    no_copies: str = "",
) -> Index:
    """The index of some shards: that which was kept, else made, on all cores.

    Of several processes one makes it and the others wait, where they share the folder.

    Args:
      shards: of one format.
      kind: the format.
      pattern: that means them.
      keep_in: where indexes are kept; where it cannot be written, the next run makes it again.
      lent: gives, to be read, the file that stands for a shard on this machine, where its path is none.
      no_copies: why images must not be copied out of compressed Parquet; empty where they may be.

    Raises:
      UserError: what is wrong with a record, and with which.
      OSError: no room for images out of compressed Parquet.
    """
    key = hashlib.sha256(address.whole(pattern).encode(errors="surrogateescape")).hexdigest()
    folder = keep_in / key[:32]
    kept = _load(folder / "index.npz", shards)
    if kept is not None:
        return kept
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = file_lock.open_locked(folder / "lock")
    except OSError:  # nothing can be kept there, or there are no locks
        return _made(shards, kind, folder, lent, no_copies)
    try:
        kept = _load(folder / "index.npz", shards)  # another process was faster
        return kept if kept is not None else _made(shards, kind, folder, lent, no_copies)
    finally:
        os.close(lock)


def _made(shards: Sequence[Shard], kind: str, folder: Path, lent: Lent, no_copies: str) -> Index:
    log.info(f"indexing {counted(len(shards), 'shard')} (once)")
    for old in folder.glob(_COPIES.format(0).replace("00000", "*")):
        old.unlink()
    reader = importlib.import_module(f"ftdata.records.{kind}")

    def read(number: int) -> list[Record]:
        path = shards[number].path
        with lent(path) as file:
            how = {"unpack_to": folder / _COPIES.format(number), "no_copies": no_copies} if kind == PARQUET else {}
            found = list(reader.records(file, **how))
        return found if file == path else [_of(path, record) if record.path == file else record for record in found]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as readers:
        found = list(readers.map(read, range(len(shards))))
    index = _of_records(shards, found)
    with contextlib.suppress(OSError):
        atomic.write(folder / "index.npz", lambda temporary: _save(temporary, index, shards))
    return index


def _of(path: str, record: Record) -> Record:
    return dataclasses.replace(record, path=path)


def _of_records(shards: Sequence[Shard], found: Sequence[Sequence[Record]]) -> Index:
    records = list(itertools.chain.from_iterable(found))
    class_names = tuple(sorted({record.class_name for record in records}))
    places = {name: place for place, name in enumerate(class_names)}
    stamps = {shard.path: (shard.path, shard.size, shard.changed_ns) for shard in shards}
    for path in {record.path for record in records} - stamps.keys():
        status = os.stat(path)
        stamps[path] = path, status.st_size, status.st_mtime_ns
    numbers = {path: number for number, path in enumerate(stamps)}
    return Index(
        np.array([numbers[record.path] for record in records], np.int32),
        np.array([record.offset for record in records], np.int64),
        np.array([record.length for record in records], np.int64),
        np.repeat(np.arange(len(found), dtype=np.int32), [len(part) for part in found]),
        np.array([places[record.class_name] for record in records], np.int32),
        _names(shards, found),
        tuple(stamps.values()),
        class_names,
    )


def _names(shards: Sequence[Shard], found: Sequence[Sequence[Record]]) -> Texts:
    """Of each image its own name; its place in the shard where it has none, before it where another has the same."""
    times = Counter(record.name for part in found for record in part)
    return Texts.of(
        record.name
        if record.name and times[record.name] == 1
        else "/".join(filter(None, (Path(shard.path).name, f"{number:07d}", record.name)))
        for shard, part in zip(shards, found, strict=True)
        for number, record in enumerate(part)
    )


def _stamps(shards: Iterable[Shard]) -> list[list[str | int]]:
    return [[address.whole(shard.path), shard.size, shard.changed_ns] for shard in shards]


def _save(path: Path, index: Index, shards: Sequence[Shard]) -> None:
    said = {
        "version": _VERSION,
        "shards": _stamps(shards),
        "files": index.files,
        "class_names": index.class_names,
    }
    with path.open("wb") as stream:
        np.savez(
            stream,
            said=np.frombuffer(json.dumps(said).encode(), np.uint8),
            names=index.names.content,
            name_ends=index.names.ends,
            **{name: getattr(index, name) for name in _ARRAYS},
        )


def _load(path: Path, shards: Sequence[Shard]) -> Index | None:
    """The index that is kept, if it is one of these shards as they are now."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            said = json.loads(kept["said"].tobytes())
            if said["version"] != _VERSION or said["shards"] != _stamps(shards):
                return None
            files = tuple((str(place), int(size), int(changed)) for place, size, changed in said["files"])
            if any(not _is_unchanged(*file) for file in files[len(shards) :]):  # copies that somebody has removed
                return None
            names, arrays = Texts(kept["names"], kept["name_ends"]), {name: kept[name] for name in _ARRAYS}
            return Index(names=names, files=files, class_names=tuple(said["class_names"]), **arrays)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def _is_unchanged(path: str, size: int, changed_ns: int) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (size, changed_ns)
