"""The digest of every image and data file of a run, a line each, and how two such tables differ, in words."""

import concurrent.futures
import hashlib
import json
import os
from pathlib import Path

from ftdata import labels
from ftdata.names import counted, shown
from ftdata.sources.source import Source

_SHOWN = 3  # images named of those that differ alike
_Row = tuple[str, str, str]  # split, class, digest


def table(source: Source) -> bytes:
    """Split, class, digest and name of each image, in the order of the splits; then the files of records.

    Digests are BLAKE2b of the contents, 16 bytes: of images as their examination found them, of records as they are
    read here. An image among records has none of its own and is told by its name.
    """
    lines = list[str]()
    for split_name, split in source.splits.items():
        digests = split.digests.tobytes().hex()
        for place, (label, name) in enumerate(zip(split.labels, split.names, strict=True)):
            digest = digests[32 * place : 32 * (place + 1)] if split.paths is not None else "-"
            lines.append(_line(split_name, labels.in_words(label, source.class_names), digest, name))
    streams = [split for split in source.splits.values() if split.paths is None]
    records = list(dict.fromkeys(path for split in streams for path in split.records))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as readers:
        for path, digest in zip(records, readers.map(_of_file, records), strict=True):
            lines.append(_line("records", "", digest, Path(path).name))
    return "".join(lines).encode()


def names_by_split(content: bytes) -> dict[str, list[tuple[str, str]]]:
    """The class and the name of each image of a table, by split.

    Raises:
      ValueError: it is no such table.
    """
    found = dict[str, list[tuple[str, str]]]()
    for line in content.decode().splitlines():
        split, class_name, _, name = line.split("\t")
        found.setdefault(split, []).append((json.loads(class_name), json.loads(name)))
    return found


def differences(before: bytes, now: bytes) -> list[str]:
    """A line for each way in which two tables differ; the images are named."""
    old, new = _rows(before), _rows(now)
    common = [name for name in new if name in old]
    gone, added = [name for name in old if name not in new], [name for name in new if name not in old]
    at = {new[name][2]: name for name in added}
    moved = [name for name in gone if old[name][2] in at]
    arrived = {at[old[name][2]] for name in moved}
    kinds = {
        "gone": [name for name in gone if name not in moved],
        "new": [name for name in added if name not in arrived],
        "with other contents": [name for name in common if old[name][2] != new[name][2]],
        "with another label": [name for name in common if old[name][1] != new[name][1]],
        "in another split": [name for name in common if old[name][0] != new[name][0]],
    }
    lines = list[str]()
    if moved:
        ways = [f"{name}, now {at[old[name][2]]}" for name in moved]
        lines.append(f"{counted(len(moved), 'file')} moved: {_examples(ways)}")
    lines += [_named(names, kind, old, new) for kind, names in kinds.items() if names]
    if not lines and before != now:
        lines = ["the images are the same, in another order"]
    return lines


def _named(names: list[str], kind: str, old: dict[str, _Row], new: dict[str, _Row]) -> str:
    column = {"with another label": 1, "in another split": 0}.get(kind)
    changed = [name if column is None else f"{name} ({old[name][column]}, now {new[name][column]})" for name in names]
    return f"{counted(len(names), 'file')} {kind}: {_examples(changed)}"


def _examples(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return "; ".join(shown(name) for name in names[:_SHOWN]) + more


def _line(split: str, class_name: str, digest: str, name: str) -> str:
    return "\t".join((split, json.dumps(class_name), digest, json.dumps(name))) + "\n"


def _rows(content: bytes) -> dict[str, _Row]:
    rows = dict[str, _Row]()
    for line in content.decode().splitlines():
        split, class_name, digest, name = line.split("\t")
        # names among records may be the same in two splits
        known = json.loads(name) if digest != "-" else f"{split}: {json.loads(name)}"
        rows[known] = split, json.loads(class_name), digest
    return rows


def _of_file(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
