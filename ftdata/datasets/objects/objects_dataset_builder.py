"""The objects data set in the layout of TensorFlow Datasets: rendered while prepared, nothing fetched."""

import tensorflow_datasets as tfds

from ftdata.datasets.objects import photos
from ftdata.datasets.rendering.builder import RenderedBuilder


class Builder(RenderedBuilder):
    """Twelve kinds of things that are no cutlery; see README.md."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS reads a plain dict
    PHOTOS = photos
