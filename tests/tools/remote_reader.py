"""A process that reads what lies in a store through a cache: `python -m tests.tools.remote_reader KIND URL CACHE`.

KIND is `files`, all of which are read side by side as a run does, or `shards`, which are fetched as a whole. It prints
`ready`, begins at a line on its input, and prints the SHA-256 of all contents in the order of their names.
"""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from ftdata.remote.cache import Cache
from ftdata.remote.copies import Copies
from ftdata.remote.store import Store


def _files(store: Store, url: str, cache: Cache) -> Iterator[bytes]:
    from ftdata.remote.files import RemoteFiles

    found = store.find(url)
    _begin()
    yield from store.many(RemoteFiles(found, store, cache).read, found)


def _shards(store: Store, url: str, cache: Cache) -> Iterator[bytes]:
    found = store.find(url)
    copies = Copies(found, store, cache)
    _begin()
    copies.fetch()
    for name, file in found.items():
        yield copies.part(name, 0, file.size)


def _begin() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def main() -> None:
    """Reads everything."""
    kind, url, folder = sys.argv[1:]
    read = {"files": _files, "shards": _shards}[kind]
    digest = hashlib.sha256()
    for content in read(Store(url, timeout_s=20), url, Cache(Path(folder), url)):
        digest.update(content)
    print(digest.hexdigest())


if __name__ == "__main__":
    main()
