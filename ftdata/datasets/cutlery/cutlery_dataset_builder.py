"""The cutlery data set in the layout of TensorFlow Datasets: rendered while prepared, nothing fetched."""

import tensorflow_datasets as tfds

from ftdata.datasets.cutlery import photos
from ftdata.datasets.rendering.builder import RenderedBuilder


class Builder(RenderedBuilder):
    """Forks, knives and spoons; see README.md."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS reads a plain dict
    PHOTOS = photos
