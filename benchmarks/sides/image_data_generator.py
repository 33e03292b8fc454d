"""Keras's legacy ImageDataGenerator with the notebook's settings."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ftdata.config import AugmentConfig

NOTEBOOK: dict[str, Any] = {
    "rotation_range": 180,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "shear_range": 0.1,
    "zoom_range": [0.9, 1.5],
    "horizontal_flip": True,
    "vertical_flip": True,
}
AUGMENT = AugmentConfig(**{**NOTEBOOK, "zoom_range": tuple(NOTEBOOK["zoom_range"])})  # the same in this project's terms


def create(**settings: Any) -> Any:
    """An ImageDataGenerator of pixels / 255; `settings` add to or replace its arguments."""
    import scipy.ndimage
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    scipy.ndimage.interpolation = scipy.ndimage  # the name Keras uses warns, once a call
    return ImageDataGenerator(**{"rescale": 1 / 255, **settings})


def warp(images: np.ndarray) -> Callable[[], object]:
    """Warps float images that are decoded and resized already."""
    generator = create(**NOTEBOOK)
    return lambda: [generator.random_transform(image) for image in images]


def flow(folder: Path, *, batch_size: int, side: int, **settings: Any) -> Any:
    """Batches of class folders without end: decoding, resizing, warping, dividing."""
    return read(create(**NOTEBOOK, **settings), folder, batch_size=batch_size, side=side, shuffle=True)


def read(generator: Any, folder: Path, *, batch_size: int, side: int, shuffle: bool) -> Any:
    """`generator.flow_from_directory` without what it prints."""
    sizes = {"target_size": (side, side), "batch_size": batch_size}
    with contextlib.redirect_stdout(io.StringIO()):
        return generator.flow_from_directory(str(folder), **sizes, shuffle=shuffle)
