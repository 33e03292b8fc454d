"""The photos of knifey-spoony as a folder: which there are, of which class and split. Standard library only.

Layout: `<class>/*.jpg` is the training set, `<class>/test/*.jpg` the test set.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

CLASS_NAMES = ("forky", "knifey", "spoony")
SPLITS = ("train", "test")
TOP_FOLDER = "knifey-spoony"
Counts = dict[str, dict[str, int]]  # split -> class -> number of photos
COUNTS: Counts = {
    "train": {"forky": 994, "knifey": 1210, "spoony": 1966},
    "test": {"forky": 151, "knifey": 137, "spoony": 242},
}


class Photo(NamedTuple):
    """One JPEG: its name below the data set's folder (with `/`), its class, and where it lies."""

    file_name: str
    label: str
    path: Path


def find(folder: Path) -> Path | None:
    """Return the folder that holds the class folders: `folder`, `folder/knifey-spoony`, or None."""
    for candidate in (folder, folder / TOP_FOLDER):
        if any((candidate / name).is_dir() for name in CLASS_NAMES):
            return candidate
    return None


def listing(folder: Path, *, split: str) -> list[Photo]:
    """Return the photos of one split ("train" or "test") in the order of their names.

    Files that are hidden (macOS leaves `._*`) or do not end in .jpg are no photos.
    """
    below = "/test" if split == "test" else ""
    return [
        Photo(file_name=f"{label}{below}/{path.name}", label=label, path=path)
        for label in CLASS_NAMES
        for path in sorted((folder / f"{label}{below}").glob("*"))
        if path.suffix.lower() == ".jpg" and not path.name.startswith(".") and path.is_file()
    ]


def count(folder: Path) -> Counts:
    """Return how many photos each split and class of `folder` has, zeros included."""
    counts = {split: dict.fromkeys(CLASS_NAMES, 0) for split in SPLITS}
    for split in SPLITS:
        for photo in listing(folder, split=split):
            counts[split][photo.label] += 1
    return counts


def digest(folder: Path) -> str:
    """Return 64 hex digits that tell which photos these are: of their names and sizes."""
    found = hashlib.sha256()
    for photo in (photo for split in SPLITS for photo in listing(folder, split=split)):
        size = photo.path.stat().st_size
        found.update(f"{photo.file_name}\0{size}\0".encode(errors="surrogateescape"))
    return found.hexdigest()


def describe(counts: Counts) -> str:
    """Return counts on one line: `train 994 forky, 1210 knifey, ...; test ...`."""
    return "; ".join(
        f"{split} " + ", ".join(f"{number} {name}" for name, number in by_class.items())
        for split, by_class in counts.items()
    )
