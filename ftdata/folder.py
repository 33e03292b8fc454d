"""Find the pictures of a data set on disk: class folders or a CSV. Standard library and numpy only."""

import csv
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
_LAYOUTS = "class folders, train/ and test/ with class folders inside, or a test/ folder inside each class"


@dataclasses.dataclass(frozen=True)
class Files:
    """Pictures with their classes: paths to open, names to show, int32 labels [n]."""

    paths: tuple[str, ...]
    names: tuple[str, ...]
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a folder or a CSV holds; `splits` has `train` and, where the layout says so, others."""

    class_names: tuple[str, ...]
    splits: dict[str, Files]
    notes: tuple[str, ...] = ()


def shown(name: str) -> str:
    """A file's name as text that any terminal and any file can take: what cannot be printed is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def scan(image_dir: str) -> Listing:
    """Lists a folder of class folders in any of the three layouts.

    Hidden files and folders are passed over; a class folder may have subfolders.

    Raises:
      ValueError: no such folder, no class folders, fewer than two classes, two validation folders, a split with
        classes that the training set lacks, a folder that cannot be read, or a link that leads nowhere or back.
    """
    root = Path(image_dir).expanduser()
    if not root.is_dir():
        raise ValueError(f"image_dir must be a folder, got {image_dir!r}: no such folder")
    folders = _subfolders(root)
    if "train" in folders:
        split_roots = {"train": root / "train"}
        split_roots |= {"test": root / "test"} if "test" in folders else {}
        if {"validation", "val"} <= set(folders):
            raise ValueError(f"{image_dir}: holds both validation/ and val/: keep the one that is meant")
        validation = next((name for name in ("validation", "val") if name in folders), None)
        split_roots |= {"validation": root / validation} if validation else {}
        found = {split: _by_class(folder, root) for split, folder in split_roots.items()}
    else:
        _check_no_split_among(folders, root)
        found = {"train": _by_class(root, root, without="test")}
        tests = {shown(name): files for name in folders if (files := _images(root / name / "test", root))}
        found |= {"test": tests} if tests else {}
    return _listing(found, image_dir)


def read_csv(labels_csv: str, image_dir: str | None) -> Listing:
    """Lists the pictures named in a CSV with the columns `file` and `label`.

    Files are relative to `image_dir` or, without one, to the CSV's folder. A row that says again what another
    has said counts once.

    Raises:
      ValueError: no such CSV, no text in UTF-8, columns missing, or a file without a label, with two, or that does
        not exist (the first is named).
    """
    table = Path(labels_csv).expanduser()
    if not table.is_file():
        raise ValueError(f"labels_csv must be a CSV file, got {labels_csv!r}: no such file")
    root = Path(image_dir).expanduser() if image_dir else table.parent
    by_class: dict[str, list[tuple[str, str]]] = {}
    first: dict[str, tuple[int, str]] = {}  # path -> the line it stands in and its label there
    for line, name, label in _csv_rows(table):
        if not label:
            raise ValueError(f"labels_csv gives no label for {name}")
        path = root / name
        if not path.is_file():
            raise ValueError(f"labels_csv names a file that does not exist: {path}")
        before, its_label = first.setdefault(os.path.normpath(path), (line, label))
        if its_label != label:
            raise ValueError(
                f"labels_csv names {name} twice: as {its_label} in line {before} and as {label} in line {line}"
            )
        if before == line:  # the same file with the same label once more says nothing new
            by_class.setdefault(label, []).append((str(path), name))
    return _listing({"train": by_class}, labels_csv)


def _csv_rows(table: Path) -> Iterator[tuple[int, str, str | None]]:
    """(line, file, label) of each row that names a file."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            if not {"file", "label"} <= set(reader.fieldnames or ()):
                raise ValueError(f"labels_csv must have the columns file,label, got {reader.fieldnames} in {table}")
            for row in reader:
                if row["file"]:
                    yield reader.line_num, row["file"], row["label"]
    except UnicodeDecodeError as error:
        raise ValueError(f"labels_csv must be text in UTF-8, got {table}: {error}; save it as CSV UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"labels_csv must be a CSV file, got {table}: {error}") from None


def _listing(found: dict[str, dict[str, list[tuple[str, str]]]], origin: str) -> Listing:
    class_names = tuple(sorted(name for name, files in found["train"].items() if files))
    if len(class_names) < 2:
        have = f"only {class_names[0]!r}" if class_names else "none"
        raise ValueError(
            f"{origin}: needs images of two classes or more, found {have}. Expected {_LAYOUTS}; "
            f"files ending in {', '.join(EXTENSIONS)}"
        )
    for split, by_class in found.items():
        unknown = sorted(name for name, files in by_class.items() if files and name not in class_names)
        if unknown:
            raise ValueError(f"{origin}: {split} has classes without training images: {', '.join(unknown)}")
    splits = {split: _files(by_class, class_names) for split, by_class in found.items() if any(by_class.values())}
    empty = sorted(name for name, files in found["train"].items() if not files)
    notes = (f"no images in the folder(s) {', '.join(empty)}: no class of that name",) if empty else ()
    return Listing(class_names, splits, notes)


def _files(by_class: dict[str, list[tuple[str, str]]], class_names: tuple[str, ...]) -> Files:
    rows = [
        (path, name, label)
        for label, class_name in enumerate(class_names)
        for path, name in by_class.get(class_name, ())
    ]
    paths, names, labels = zip(*rows, strict=True)
    return Files(paths, names, np.array(labels, np.int32))


def _check_no_split_among(class_names: list[str], root: Path) -> None:
    """Refuses class folders with a test/ or validation/ beside them that holds the same classes."""
    for name in ("test", "validation", "val"):
        if name in class_names and set(_subfolders(root / name)) & set(class_names):
            raise ValueError(f"{root}: holds {name}/ beside class folders: put the class folders into train/")


def _subfolders(folder: Path) -> list[str]:
    """Folders and links to folders, which only here, at the top of a class, are followed."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.name[0] != ".")
    except OSError as error:
        raise _cannot_read(error) from None
    for entry in entries:
        if entry.is_symlink() and not entry.exists():
            raise ValueError(f"{shown(str(entry))} is a link that leads nowhere: remove or mend it")
        if entry.is_symlink() and folder.resolve().is_relative_to(entry.resolve()):
            raise ValueError(f"{shown(str(entry))} is a link back to the folder it lies in: remove it")
    return [entry.name for entry in entries if entry.is_dir()]


def _cannot_read(error: OSError) -> ValueError:
    return ValueError(f"cannot read the folder {shown(str(error.filename))}: {error.strerror}")


def _by_class(folder: Path, root: Path, without: str | None = None) -> dict[str, list[tuple[str, str]]]:
    return {shown(name): _images(folder / name, root, without=without) for name in _subfolders(folder)}


def _images(folder: Path, root: Path, without: str | None = None) -> list[tuple[str, str]]:
    """(path, name relative to `root`) of the images below `folder`, sorted; `without` names a subfolder."""
    found = []

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # not every class has a test folder
            raise _cannot_read(error)

    for where, folders, names in os.walk(folder, onerror=refuse):
        skip = without if Path(where) == folder else None
        folders[:] = sorted(name for name in folders if name[0] != "." and name != skip)
        for name in sorted(names):
            if name[0] != "." and name.lower().endswith(EXTENSIONS):
                path = Path(where, name)
                found.append((str(path), shown(path.relative_to(root).as_posix())))
    return found
