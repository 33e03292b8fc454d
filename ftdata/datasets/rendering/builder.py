"""What the builders of rendered data sets share: the layout of TensorFlow Datasets, nothing fetched."""

import io
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import tensorflow_datasets as tfds


class RenderedBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A data set that is rendered while it is prepared.

    `PHOTOS` is the module that says which images there are: SIZE, CLASS_NAMES, COUNTS and `jpeg`.
    """

    PHOTOS: ModuleType

    def _info(self) -> tfds.core.DatasetInfo:
        size = self.PHOTOS.SIZE
        features = {
            "image": tfds.features.Image(shape=(size, size, 3), encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names=list(self.PHOTOS.CLASS_NAMES)),
            "file_name": tfds.features.Text(),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features), supervised_keys=("image", "label")
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager  # nothing to download
        return {split: self._generate_examples(split) for split in self.PHOTOS.COUNTS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for class_name, number in interleaved(self.PHOTOS.COUNTS[split]):
            name = file_name(class_name, split=split, number=number)
            encoded = self.PHOTOS.jpeg(class_name, split=split, number=number)
            # A stream is stored byte for byte; an array would be encoded again.
            yield name, {"image": io.BytesIO(encoded), "label": class_name, "file_name": name}


def interleaved(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """(class name, number from 1) of every image of a split.

    The classes are spread evenly, so that the first images hold about the balance of the whole.
    """
    places = [
        ((number - 0.5) / count, name, number) for name, count in counts.items() for number in range(1, count + 1)
    ]
    for _, name, number in sorted(places):
        yield name, number


def file_name(class_name: str, *, split: str, number: int) -> str:
    """`forky/forky-train-0001.jpg` and the like: folder per class, as people keep their images."""
    return f"{class_name}/{class_name}-{split}-{number:04d}.jpg"
