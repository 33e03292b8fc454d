"""The scenes data set, prepared by its real builder, and what --task=multi reads of it and of others of TFDS."""

import collections
import io

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from ftdata.config import DataConfig
from ftdata.datasets.scenes import photos, scenes_dataset_builder
from ftdata.errors import UserError
from ftdata.sources.source import open_source
from tests.tools.tfds_files import write_tfds

NAMES = ("bottle", "cup", "fork", "knife", "scissors", "spoon")


@pytest.fixture(scope="module")
def capped(tmp_path_factory):
    """The folder of data sets, with the first 30 pictures of each split prepared."""
    root = tmp_path_factory.mktemp("capped")
    builder = scenes_dataset_builder.Builder(data_dir=root)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(max_examples_per_split=30))
    assert builder.info.full_name == "scenes/1.0.0"
    return root


def test_same_place_gives_same_bytes_and_another_size_the_same_things():
    first, again, other = (photos.photo(split="test", number=number, size=64) for number in (1, 1, 2))
    assert first == again
    assert first.jpeg != other.jpeg
    assert photos.photo(split="train", number=1, size=64).jpeg != first.jpeg
    for number in range(1, 5):
        small, large = (photos.photo(split="test", number=number, size=size) for size in (48, 64))
        assert small.labels == large.labels
        with Image.open(io.BytesIO(small.jpeg)) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (48, 48))


def test_a_picture_shows_up_to_three_kinds_or_none():
    shown = [photos.photo(split="train", number=number, size=32).labels for number in range(1, 201)]
    sizes, kinds = (
        collections.Counter(map(len, shown)),
        collections.Counter(kind for labels in shown for kind in labels),
    )
    assert set(sizes) == {0, 1, 2, 3}
    assert 8 <= sizes[0] <= 32  # of 200 with p = 0.1: within three standard deviations
    assert set(kinds) == set(NAMES)
    assert all(list(labels) == sorted(set(labels)) for labels in shown)


def test_every_picture_has_its_labels_and_its_bytes(capped):
    source = open_source(DataConfig("scenes", task="multi", data_dir=str(capped), validation_fraction=0.3))
    assert source.class_names == NAMES
    assert len(source.train) + len(source.validation) == len(source.test) == 30
    for split in source.splits.values():
        assert split.labels.dtype == np.float32
        encoded = list(split.encoded().as_numpy_iterator())
        for name, label, content in zip(split.names, split.labels, encoded, strict=True):
            part, number = name.removesuffix(".jpg").split("/scene-")
            photo = photos.photo(split=part, number=int(number))
            assert tuple(NAMES[k] for k in np.flatnonzero(label)) == photo.labels
            assert content == photo.jpeg
    assert any(not row.any() for row in np.concatenate([split.labels for split in source.splits.values()]))


def test_a_data_set_for_the_other_task_is_refused_with_the_way_out(capped, photo_folder):
    with pytest.raises(
        UserError, match=r"^dataset scenes .* got image: .*: it has several labels an image, which is --t"
    ):
        open_source(DataConfig("scenes", data_dir=str(capped)))
    write_tfds(photo_folder, capped, name="one_class_each")
    with pytest.raises(
        UserError, match=r"^dataset one_class_each .*: it has one class an image, which is --task=single"
    ):
        open_source(DataConfig("one_class_each", task="multi", data_dir=str(capped)))
