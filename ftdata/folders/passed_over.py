"""What is said of the files and folders that are passed over: how many of each kind, every folder by its name."""

import posixpath
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from ftdata import extras
from ftdata.decoding import transcoding
from ftdata.folders.level import Place
from ftdata.folders.tree import Folder
from ftdata.inspection import file_kind
from ftdata.names import counted, listed, shown

_FOLDERS = 8  # named before the rest is counted


def in_tree(top: Folder) -> Iterator[str]:
    """Lines on files that are no images, or none that can be read, and on folders and links not followed."""
    others, examples = Counter[str](), dict[str, str]()
    left = Counter[str]()
    back: list[str] = []
    for place, folder in top.below():
        others.update(folder.others)
        examples = {kind: posixpath.join(*place, name) for kind, name in folder.examples.items()} | examples
        left.update(f"{shown(name)}/ ({reason})" for name, reason in folder.left.items())
        back += [shown(posixpath.join(*place, name)) for name, why in folder.lost.items() if "back" in why]
    unread = {kind: count for kind, count in others.items() if kind in file_kind.UNREAD_FORMATS}
    if unread:
        example = shown(examples[max(unread, key=unread.__getitem__)])
        yield (
            f"warning: {counted(sum(unread.values()), 'image')} passed over, as the format is not read: "
            f"{_counted(unread)} (such as {example}); save them as JPEG or PNG{_or_install(unread)}"
        )
    rest = {kind: count for kind, count in others.items() if kind not in unread}
    if rest:
        hint = "; --channels=N reads .npy" if ".npy" in rest else ""
        yield f"files passed over: {_counted(rest)}{hint}"
    if left:
        times = [f"{key}{f' {count:,} times' if count > 1 else ''}" for key, count in left.items()]
        yield f"folders passed over: {listed(times, limit=_FOLDERS)}"
    if back:
        yield f"links passed over, as they lead back to a folder they lie in: {listed(back)}"


def beside_classes(folders: Sequence[tuple[Place, Folder]], images: Sequence[Place]) -> Iterator[str]:
    """Lines on folders with images that are neither splits nor classes, and on images that lie in no class folder."""
    if folders:
        named = [f"{shown(posixpath.join(*place))}/ ({counted(folder.count, 'image')})" for place, folder in folders]
        yield f"warning: folders passed over: {listed(named, limit=_FOLDERS)}"
    if images:
        example = shown(posixpath.join(*images[0]))
        yield f"warning: {counted(len(images), 'image')} passed over beside the class folders, such as {example}"


def _or_install(unread: Collection[str]) -> str:
    """The way out for formats that an extra reads."""
    helped = sorted(kind for kind in unread if kind in transcoding.EXTRAS)
    command = extras.install(*(transcoding.EXTRAS[kind] for kind in helped))
    return f", or read {listed(helped)} with {command}" if helped else ""


def _counted(kinds: Mapping[str, int]) -> str:
    order = sorted(kinds.items(), key=lambda item: (item[0] in (file_kind.HIDDEN, file_kind.SYSTEM), -item[1]))
    return listed([f"{count:,} {kind}" for kind, count in order], limit=_FOLDERS)
