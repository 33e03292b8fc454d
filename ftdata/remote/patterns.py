"""Which files of a store a pattern means, and which of some names are there."""

import dataclasses
import fnmatch
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ftdata.errors import UserError
from ftdata.remote import failures
from ftdata.remote.remote_file import RemoteFile
from ftdata.remote.store import Store, under
from ftdata.settings import said

_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_SHARDS = ("*.tar", "*.parquet", "*.tfrecord*", "*-[0-9]*-of-[0-9]*", "*.tgz", "*.tar.gz")
_NAMES_OF_CLASSES = ("labels.txt", "label.labels.txt")  # where they are looked for beside shards


@dataclasses.dataclass(frozen=True)
class Shards:
    """Shards below `root` by `root`/name, and `beside` them, in the same way, the files that name their classes."""

    root: str
    files: dict[str, RemoteFile]
    beside: dict[str, RemoteFile]


def shards(pattern: str, store: Store) -> Shards:
    """What a pattern of shards means in a store.

    Args:
      pattern: of addresses: a folder, a file, or names with `*`, `**` and `?`; of http with `{00..12}` alone, as
        nothing can be listed there.
      store: that has them.

    Raises:
      UserError: nothing matches; as `Store.find`.
    """
    found = _listed(pattern, store) if store.has_listing else _counted_out(pattern, store)
    if not found.files:
        raise UserError(
            f"records must be shards (.tar, .parquet, .tfrecord, or -00000-of-00010), got {said(pattern)}: no file "
            "there is one; a folder of images is --image_dir"
        )
    return found


def _listed(pattern: str, store: Store) -> Shards:
    parts = pattern.split("/")
    wild = next((k for k, part in enumerate(parts) if re.search(r"[*?[]", part)), None)
    if wild is None:
        below = store.find(pattern)
        if below:
            return _sorted_out(pattern, below, {name for name in below if _is_shard(name)})
        folder = "/".join(parts[:-1])
        below = store.find(folder) if store.exists(pattern) else {}
        return _sorted_out(folder, below, {parts[-1]} & set(below))
    root, wanted = "/".join(parts[:wild]), parts[wild:]
    below = store.find(root)
    return _sorted_out(root, below, {name for name in below if _is_like(name.split("/"), wanted)})


def _sorted_out(root: str, below: Mapping[str, RemoteFile], wanted: Collection[str]) -> Shards:
    """Of the files below a folder those that are wanted, and those beside them that name classes."""
    found = sorted(name for name in wanted if name in below and not name.endswith(_NAMES_OF_CLASSES[0]))
    folders = {name.rpartition("/")[0] for name in found}
    names = [name for name in below if name.endswith(_NAMES_OF_CLASSES[0]) and name.rpartition("/")[0] in folders]
    by_name = ({f"{root}/{name}": below[name] for name in some} for some in (found, names))
    return Shards(root, *by_name)


def _counted_out(pattern: str, store: Store) -> Shards:
    """The files that a pattern with `{00..12}` names, in a store that cannot be listed."""
    urls = list(_expanded(pattern))
    root = pattern.partition("{")[0].rpartition("/")[0]
    if re.search(r"[*?[]", pattern.partition("://")[2]):
        raise UserError(
            f"records must name each shard, got {said(pattern)}: {store.scheme} has no listing that * could match; "
            "{00000..00012} stands for numbers"
        )
    names = [url[len(root) + 1 :] for url in urls]
    folders = dict.fromkeys(name.rpartition("/")[0] for name in names)
    beside = ["/".join(filter(None, (folder, name))) for folder in folders for name in _NAMES_OF_CLASSES]
    found = all_of((*names, *beside), root, store)
    if missing := next((name for name in names if name not in found), None):
        raise UserError(f"records names a file that does not exist: {under(root, missing)}")
    return _sorted_out(root, found, names)


def _expanded(pattern: str) -> Iterator[str]:
    """`a{08..11}.tar` -> `a08.tar`, `a09.tar`, `a10.tar`, `a11.tar`."""
    pieces = _BRACES.split(pattern)
    ranges = [
        [f"{k:0{len(first)}d}" for k in range(int(first), int(last) + 1)]
        for first, last in zip(pieces[1::3], pieces[2::3], strict=True)
    ]
    for chosen in itertools.product(*ranges):
        yield "".join(itertools.chain.from_iterable(itertools.zip_longest(pieces[::3], chosen, fillvalue="")))


def _is_shard(name: str) -> bool:
    file = name.rpartition("/")[2].lower()
    return not _is_hidden(name.split("/")) and any(fnmatch.fnmatchcase(file, pattern) for pattern in _SHARDS)


def _is_hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith(".") for part in parts)


def _is_like(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """As `glob`: `**` stands for any number of folders, `*` for no slash, and neither for a dot at the beginning."""
    if not wanted or not parts:
        return not wanted and not parts
    if wanted[0] == "**":
        if len(wanted) == 1:
            return not _is_hidden(parts)
        return _is_like(parts, wanted[1:]) or (not _is_hidden(parts[:1]) and _is_like(parts[1:], wanted))
    is_first = fnmatch.fnmatchcase(parts[0], wanted[0]) and _is_hidden(parts[:1]) <= wanted[0].startswith(".")
    return is_first and _is_like(parts[1:], wanted[1:])


def all_of(names: Iterable[str], root: str, store: Store) -> dict[str, RemoteFile]:
    """Those of some files below a folder that are there, each asked for by itself."""

    def there(name: str) -> RemoteFile | None:
        try:
            return store.describe(under(root, name))
        except failures.Gone:
            return None

    wanted = list(dict.fromkeys(names))
    found = zip(wanted, store.many(there, wanted), strict=True)
    return {name: file for name, file in found if file}
