"""A folder as it lies on disk, walked once: images, other files by kind, subfolders. Links are followed."""

import dataclasses
import functools
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ftdata.errors import UserError
from ftdata.inspection import file_kind
from ftdata.names import shown

# Folders that programs leave beside images; as passed over as hidden ones.
_LITTER = frozenset(
    ("@eadir", "#recycle", "$recycle.bin", "__macosx", "__pycache__", "lost+found", "system volume information")
)
# What a model_dir of this program holds beside its config.json: figures that would become a class.
_OF_A_RUN = frozenset(("transfer", "finetune", "pretrain", "evaluation", "lock", "samples.png"))
_WITHOUT_TRAINING = ("estimate/metrics.json", "find_learning_rate/metrics.json")  # and what it holds before any run


@dataclasses.dataclass(eq=False)
class Folder:
    """A folder: its images, subfolders (linked ones too, each real folder being one object), and all else in it.

    `others` counts the files that are no images by kind, `examples` has the name of one of each; `left` are folders not
    looked into, with the reason; `lost` are links that lead nowhere or back, with the reason.
    """

    images: list[str] = dataclasses.field(default_factory=list)
    folders: dict[str, "Folder"] = dataclasses.field(default_factory=dict)
    others: Counter[str] = dataclasses.field(default_factory=Counter)
    examples: dict[str, str] = dataclasses.field(default_factory=dict)
    left: dict[str, str] = dataclasses.field(default_factory=dict)
    lost: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, name: str, kind: str) -> None:
        """Adds a file of a kind of `file_kind.kind`."""
        if kind == file_kind.IMAGE:
            self.images.append(name)
            return
        self.others[kind] += 1
        self.examples.setdefault(kind, name)
        if kind == file_kind.BROKEN:
            self.lost[name] = "leads nowhere"

    def below(self, *, without: Collection[str] = ()) -> Iterator[tuple[tuple[str, ...], "Folder"]]:
        """This folder and all below it, each once, with its place; `without` names subfolders of this one."""
        pending: list[tuple[tuple[str, ...], Folder]] = [((), self)]
        seen = set[int]()
        while pending:
            place, folder = pending.pop()
            if id(folder) in seen:
                continue
            seen.add(id(folder))
            yield place, folder
            inner = [(name, sub) for name, sub in folder.folders.items() if place or name not in without]
            pending += [((*place, name), sub) for name, sub in reversed(inner)]

    @functools.cached_property
    def count(self) -> int:
        """Images in it and below it."""
        return sum(len(folder.images) for _, folder in self.below())

    @property
    def filled(self) -> dict[str, "Folder"]:
        """The subfolders with images in them or below them."""
        return {name: folder for name, folder in self.folders.items() if folder.count}


def walk(root: Path, *, channels: int = 3) -> Folder:
    """Looks at everything below `root`; what lies in hidden folders, in those of a system or of a run is left alone.

    What counts as an image depends on its `channels` (`file_kind.kind`).

    Raises:
      UserError: a folder that cannot be read.
    """
    top = Folder()
    known, pending = {_identity(root): top}, [(str(root), top)]
    while pending:
        path, folder = pending.pop()
        for entry in _entries(path):
            if not _is_folder(entry):
                folder.add(entry.name, file_kind.kind(entry, channels))
            elif reason := why_left(entry.name, functools.partial(_has, entry.path)):
                folder.left[entry.name] = reason
            elif entry.is_symlink() and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(entry.path)):
                folder.lost[entry.name] = "leads back to a folder it lies in"
            else:
                identity = _identity(entry.path)
                if identity not in known:
                    known[identity] = Folder()
                    pending.append((entry.path, known[identity]))
                folder.folders[entry.name] = known[identity]
    return top


def _entries(path: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(path) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(error) from None


def _identity(path: str | Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise _unreadable(error) from None
    return status.st_dev, status.st_ino


def _unreadable(error: OSError) -> UserError:
    return UserError(f"cannot read the folder {shown(str(error.filename))}: {error.strerror}")


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _has(folder: str, name: str) -> bool:
    return os.path.exists(f"{folder}/{name}")


def why_left(name: str, has: Callable[[str], bool]) -> str | None:
    """Why a folder is not looked into, by its name and by what it has; None where it is."""
    if name.startswith("."):
        return "hidden"
    if name.lower() in _LITTER:
        return "made by a system"
    if any(map(has, _WITHOUT_TRAINING)) or (has("config.json") and any(map(has, _OF_A_RUN))):
        return "a model_dir"
    return None
