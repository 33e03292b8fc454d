"""The scenes data set in the layout of TensorFlow Datasets: rendered while prepared, nothing fetched."""

import io
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from ftdata.datasets.scenes import photos


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Pictures of several things at once, or of none; see README.md."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS reads a plain dict

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(photos.SIZE, photos.SIZE, 3), encoding_format="jpeg"),
            "labels": tfds.features.Sequence(tfds.features.ClassLabel(names=list(photos.CLASS_NAMES))),
            "file_name": tfds.features.Text(),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager  # nothing to download
        return {split: self._generate_examples(split) for split in photos.COUNTS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for number in range(1, photos.COUNTS[split] + 1):
            name, photo = photos.file_name(split=split, number=number), photos.photo(split=split, number=number)
            # A stream is stored byte for byte; an array would be encoded again.
            yield name, {"image": io.BytesIO(photo.jpeg), "labels": photo.labels, "file_name": name}
