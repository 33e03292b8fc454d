"""The images that benchmarks read: rendered ones, or a user's own."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from ftdata.datasets.cutlery import photos
from ftdata.folders import folder

SIDE = 200  # pixels: the notebook's photos


def write(into: Path, *, count: int) -> None:
    """Rendered JPEGs of SIDE x SIDE pixels in class folders below `into`, `count` in all."""
    for number in range(count):
        class_name = photos.CLASS_NAMES[number % len(photos.CLASS_NAMES)]
        (into / class_name).mkdir(parents=True, exist_ok=True)
        rendered = Image.open(io.BytesIO(photos.jpeg(class_name, split="train", number=number + 1)))
        rendered.resize((SIDE, SIDE)).save(into / class_name / f"{number:06}.jpg", quality=90)


def link(image_dir: str, into: Path, *, count: int, split: str = "train") -> None:
    """Links `count` images of a folder, evenly spaced over its classes, into class folders below `into`.

    Every side of a comparison then reads the same files, in whatever layout they came.

    Raises:
      ValueError: as `ftdata.folders.folder.scan`; the folder has no such split.
    """
    listing = folder.scan(image_dir)
    if split not in listing.splits:
        raise ValueError(f"{image_dir} has no {split} images, only {', '.join(listing.splits)}")
    files = listing.splits[split]
    chosen = np.unique(np.linspace(0, len(files.paths) - 1, min(count, len(files.paths))).astype(int))
    for position in chosen:
        path = Path(files.paths[position]).resolve()
        class_folder = into / listing.class_names[files.labels[position]]
        class_folder.mkdir(parents=True, exist_ok=True)
        os.symlink(path, class_folder / f"{position:06}{path.suffix}")


def gather(image_dir: str | None, into: Path, *, count: int) -> None:
    """`link` where there is a folder of images, else `write`."""
    if image_dir:
        link(image_dir, into, count=count)
    else:
        write(into, count=count)


def repeat(root: Path, into: Path, *, count: int) -> None:
    """Links the images of class folders again and again, until there are `count`."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    for number in range(count):
        path = paths[number % len(paths)]
        (into / path.parent.name).mkdir(parents=True, exist_ok=True)
        os.symlink(path.resolve(), into / path.parent.name / f"{number:06}{path.suffix}")


def decoded(root: Path, *, count: int, side: int = SIDE) -> np.ndarray:
    """The first images of class folders, uint8 [count, side, side, 3]; fewer are repeated."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    opened = [Image.open(paths[number % len(paths)]).convert("RGB").resize((side, side)) for number in range(count)]
    return np.stack([np.asarray(image) for image in opened])
