"""Entries each of which is sealed by a digest over itself and the one before. Standard library only."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Entry = dict[str, Any]  # JSON values; `digest` is its seal
_START = ""  # before the first entry


def canonical(values: Any) -> bytes:
    """JSON values as bytes, the same for equal values in any order of their keys."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def sealed(values: Mapping[str, Any], *, after: Sequence[Entry]) -> Entry:
    """The entry that follows others: its values and their digest, SHA-256 over the last digest and the values."""
    before = after[-1]["digest"] if after else _START
    plain = json.loads(canonical({name: value for name, value in values.items() if name != "digest"}))
    return {**plain, "digest": _digest(before, plain)}


def resealed(entries: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """The same values with the digests that belong to their order."""
    chained: list[Entry] = []
    for values in entries:
        chained.append(sealed(values, after=chained))
    return chained


def broken(entries: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    """The places of entries whose digest does not follow from them and from the digest before."""
    before = _START
    for place, entry in enumerate(entries):
        values = {name: value for name, value in entry.items() if name != "digest"}
        if entry.get("digest") != _digest(before, values):
            yield place
        before = str(entry.get("digest"))


def _digest(before: str, values: Mapping[str, Any]) -> str:
    return hashlib.sha256(before.encode() + b"\n" + canonical(values)).hexdigest()
