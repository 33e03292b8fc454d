"""A folder in a store, from the names of its files: the same tree that `tree.walk` makes of the folder on a disk."""

import functools
from collections.abc import Callable, Collection, Mapping

from ftdata.folders import tree
from ftdata.folders.tree import Folder
from ftdata.inspection import file_kind

Heads = Callable[[Collection[str]], Mapping[str, bytes]]


def grown(names: Collection[str], heads: Heads, *, channels: int = 3) -> Folder:
    """The folder that holds files of these names, relative to it.

    Args:
      names: with slashes between folders. What has no name of its own, as in `a//b.jpg` or `a/../b.jpg`, counts as
        `no file name`.
      channels: of its images, which decide what is one.
      heads: the first bytes, `foreign.HEAD` of them, of some of the files.
    """
    placed = sorted((name.split("/"), name) for name in names)
    there = frozenset(names) | {name.rpartition("/")[0] for name in names}
    top, folders = Folder(), dict[str, Folder | None]()  # None: not looked into
    inside = list[tuple[Folder, str, str]]()
    for parts, name in placed:
        if any(part in ("", ".", "..") for part in parts):
            top.add(name, "no file name")
        elif (folder := _folder(top, folders, parts, there)) is not None:
            inside.append((folder, parts[-1], name))
    kinds = {name: file_kind.by_name(file, channels) for _, file, name in inside}
    found = heads([name for name, kind in kinds.items() if kind is None])
    for folder, file, name in inside:
        folder.add(file, kinds[name] or file_kind.by_content(file, found[name]))
    return top


def _folder(top: Folder, known: dict[str, Folder | None], parts: list[str], there: frozenset[str]) -> Folder | None:
    """The folder that a file lies in, made with those above it; None where one of them is left alone."""
    above, place = top, ""
    for part in parts[:-1]:
        place = f"{place}/{part}" if place else part
        if place not in known:
            reason = tree.why_left(part, functools.partial(_has, there, place))
            known[place] = new = Folder() if reason is None else None
            if new is not None:
                above.folders[part] = new
            else:
                above.left[part] = str(reason)
        inner = known[place]
        if inner is None:
            return None
        above = inner
    return above


def _has(there: frozenset[str], folder: str, name: str) -> bool:
    return f"{folder}/{name}" in there
