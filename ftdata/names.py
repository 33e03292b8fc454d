"""Names of files and classes: as text that can be shown, and which of them mean the same. Standard library only."""

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path


def shown(name: str) -> str:
    """A file's name as text that any terminal and any file can take: what cannot be printed is escaped."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def composed(name: str) -> str:
    """One spelling (NFC) of names that look the same: macOS writes an accent as a character of its own (NFD)."""
    return unicodedata.normalize("NFC", name)


def alike(name: str) -> str:
    """The same for names that differ only in capitals, blanks, underscores or hyphens."""
    return " ".join(composed(name).casefold().replace("_", " ").replace("-", " ").split())


def look_alikes(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different names that are `alike`, in order."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(alike(name), name), name) for name in names]
    return [(earlier, name) for earlier, name in pairs if earlier != name]


def listed(names: Sequence[str], *, limit: int = 5) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def counted(count: int, noun: str) -> str:
    """`1 image`, `2,000 images`, `3 classes`."""
    return f"{count:,} {noun}{'' if count == 1 else 'es' if noun.endswith('ss') else 's'}"


def what_is_at(path: Path, *, missing: str) -> str:
    """Of a path that should be something else: `it is a file`, `it is a folder`, or `missing` where nothing is."""
    if path.is_dir():
        return "it is a folder"
    return "it is a file" if path.exists() else missing
