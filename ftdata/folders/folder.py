"""The images of a data set on disk, by split and class, as a folder says it. Standard library and numpy only."""

import dataclasses
import itertools
import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ftdata.errors import UserError
from ftdata.folders import layout, passed_over, roles, tree
from ftdata.inspection import file_kind
from ftdata.names import alike, listed, look_alikes, shown, what_is_at
from ftdata.settings import said
from ftdata.texts import Texts

__all__ = ["Files", "Listing", "listing", "nearly_one_of", "scan", "shown"]

_LAYOUTS = "class folders, train/ and test/ with class folders inside, or a test/ folder inside each class"


@dataclasses.dataclass(frozen=True)
class Files:
    """Images with their classes: paths to open, names to show, labels as in `ftdata.labels`."""

    paths: Texts
    names: Texts
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a folder or a CSV holds; `splits` has `train` and, where the layout says so, others.

    Where a model is measured on it, it has `test` alone.
    """

    class_names: tuple[str, ...]
    splits: dict[str, Files]
    notes: tuple[str, ...] = ()


def scan(
    image_dir: str, *, known: Collection[str] | None = None, channels: int = 3, top: tree.Folder | None = None
) -> Listing:
    """Lists a folder of class folders in any of the layouts of `ftdata.folders.layout`.

    Hidden files and folders are passed over; a class folder may have subfolders. What is passed over is counted in
    the notes.

    Args:
      image_dir: the folder, or its address.
      known: the classes of the model that is measured on it: then one class is enough, and no training split needed.
      channels: of its images, which decide what is one.
      top: what lies in it, where it is no folder of this machine.

    Raises:
      UserError: no such folder, no class folders, fewer than two classes, a layout with two meanings, a split with
        classes that the training set lacks, a folder that cannot be read, or a link that leads nowhere or back.
    """
    root = image_dir if top else str(Path(image_dir).expanduser())
    top = top or _walked(image_dir, channels)
    others = tuple(passed_over.in_tree(top))
    found = layout.recognise(top, origin=root, known=known)
    images = {
        split: {name: [_image(root, place) for place in places] for name, places in classes.items()}
        for split, classes in found.found.items()
    }
    try:
        result = listing(images, image_dir, known=known, channels=channels)
    except UserError as problem:  # what was passed over may be the reason
        raise UserError("; ".join((str(problem), *others))) from None
    beside = passed_over.beside_classes(found.passed_over, found.loose)
    return dataclasses.replace(result, notes=(*found.notes, *result.notes, *beside, *others))


def _walked(image_dir: str, channels: int) -> tree.Folder:
    root = Path(image_dir).expanduser()
    if not root.is_dir():
        there = what_is_at(root, missing="no such folder")
        raise UserError(f"image_dir must be a folder, got {said(image_dir)}: {there}")
    return tree.walk(root, channels=channels)


def _image(root: str, place: tuple[str, ...]) -> tuple[str, str]:
    name = posixpath.join(*place)
    return posixpath.join(root, name), shown(name)


def listing(
    found: Mapping[str, Mapping[str, Sequence[tuple[str, str]]]],
    origin: str,
    *,
    known: Collection[str] | None = None,
    channels: int = 3,
) -> Listing:
    """Numbers the classes of `found[split][class]`, (path, name) of images; classes are sorted by name.

    With `known` there is one split, `test`: where there is no such, it is all images.

    Raises:
      UserError: as `scan`, of classes.
    """
    filled = {split: {name: files for name, files in classes.items() if files} for split, classes in found.items()}
    if known is not None:
        filled = {roles.TEST: filled.get(roles.TEST) or _together(filled.values())}
    numbered = filled.get(roles.TRAIN if known is None else roles.TEST, {})
    class_names = tuple(sorted(numbered))
    if len(class_names) < (2 if known is None else 1):
        have = f"only {said(class_names[0])}" if class_names else "none"
        endings = "" if class_names else f"; files ending in {', '.join(file_kind.extensions(channels))}"
        raise UserError(
            f"{origin}: needs images of {'two classes or more' if known is None else 'a class'}, found {have}. "
            f"Expected {_LAYOUTS}{endings}"
        )
    for split, classes in filled.items():
        unknown = sorted(classes.keys() - numbered.keys())
        if unknown:
            hint = nearly_one_of(unknown, class_names)
            raise UserError(f"{origin}: {split} has classes without training images: {listed(unknown)}{hint}")
    splits = {split: _files(classes, class_names) for split, classes in filled.items() if classes}
    pairs = [f"{said(a)} and {said(b)}" for a, b in look_alikes(class_names)]
    note = f"warning: {listed(pairs)} are two classes, but differ only in capitals, blanks or hyphens: is one meant?"
    return Listing(class_names, splits, (note,) if pairs else ())


def _together(
    splits: Iterable[Mapping[str, Sequence[tuple[str, str]]]],
) -> dict[str, Sequence[tuple[str, str]]]:
    """The images of all splits by class."""
    images: dict[str, list[tuple[str, str]]] = {}
    for classes in splits:
        for name, files in classes.items():
            images.setdefault(name, []).extend(files)
    return dict(images)


def nearly_one_of(unknown: Sequence[str], class_names: Sequence[str]) -> str:
    """The way out where a class is only spelled in another way."""
    by_key = {alike(name): name for name in class_names}
    pairs = [f"{said(name)} and {said(by_key[alike(name)])}" for name in unknown if alike(name) in by_key]
    return f". {listed(pairs)} differ only in capitals, blanks or hyphens: rename one of them" if pairs else ""


def _files(by_class: Mapping[str, Sequence[tuple[str, str]]], class_names: Sequence[str]) -> Files:
    images = [by_class.get(class_name, ()) for class_name in class_names]
    paths, names = Texts.columns(itertools.chain.from_iterable(images), 2)
    return Files(paths, names, np.repeat(np.arange(len(images), dtype=np.int32), list(map(len, images))))
