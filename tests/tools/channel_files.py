"""Images of several channels as .npy and TIFF files: for tests."""

import io
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = ("high", "low")
SIGNAL = 4  # the channel that alone tells the classes apart: the others are noise of one kind


def npy(array: np.ndarray, **options: Any) -> bytes:
    """Written by numpy.save."""
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def tiff(array: np.ndarray, **options: Any) -> bytes:
    """[height, width, channels] by tifffile, its channels together; grey and further samples."""
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **{"photometric": "minisblack", "planarconfig": "contig", **options})
    return stream.getvalue()


def image(label: int, generator: np.random.Generator, *, side: int, channels: int = 5, with_signal: bool = True) -> Any:
    """uint16 [side, side, channels], noise, with a square in the channel SIGNAL that is bright or dark by the label."""
    pixels = generator.integers(20_000, 45_000, (side, side, channels)).astype(np.uint16)
    top, left = generator.integers(0, side // 3, 2)
    square = pixels[top : top + side // 2, left : left + side // 2, SIGNAL]
    square[...] = (60_000, 5_000)[label]
    if not with_signal:
        pixels[..., SIGNAL] = 0
    return pixels


def write(
    root: Path,
    *,
    train: int = 60,
    test: int = 40,
    side: int = 32,
    with_signal: bool = True,
    as_tiff: bool = False,
) -> Path:
    """Class folders in train/ and test/, so many images in each class; every other of 8 bits. Returns the folder."""
    generator = np.random.default_rng(7)
    for split, count in (("train", train), ("test", test)):
        for label, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = image(label, generator, side=side, with_signal=with_signal)
                pixels = (pixels >> 8).astype(np.uint8) if number % 2 else pixels
                if as_tiff and number % 3 == 0:
                    (folder / f"{number}.tif").write_bytes(tiff(pixels, compression="deflate"))
                else:
                    (folder / f"{number}.npy").write_bytes(npy(pixels))
    return root
