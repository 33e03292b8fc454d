"""The objects data set, prepared by its real builder."""

import collections
import io

import pytest
import tensorflow_datasets as tfds
from PIL import Image

from ftdata.datasets.cutlery import photos as cutlery
from ftdata.datasets.objects import objects_dataset_builder, photos
from ftdata.datasets.rendering import backgrounds

NAMES = ["arrow", "bottle", "cross", "cup", "gear", "hammer"]
NAMES += ["key", "leaf", "ring", "scissors", "star", "wrench"]


@pytest.fixture(scope="module")
def capped(tmp_path_factory):
    """The builder, prepared with three images of each class."""
    builder = objects_dataset_builder.Builder(data_dir=tmp_path_factory.mktemp("capped"))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(max_examples_per_split=36))
    return builder


def _examples(builder, split):
    data = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return list(data.as_numpy_iterator())


def test_builder_is_named_after_its_folder(capped):
    assert capped.name == "objects"
    assert capped.info.features["label"].names == NAMES


def test_whole_set_is_balanced_and_holds_no_cutlery():
    assert photos.COUNTS["train"] == dict.fromkeys(NAMES, 500)
    assert photos.COUNTS["test"] == dict.fromkeys(NAMES, 100)
    assert not set(NAMES) & set(cutlery.CLASS_NAMES)


@pytest.mark.parametrize("split", ["train", "test"])
def test_capped_set_is_balanced_too(capped, split):
    labels = collections.Counter(int(example["label"]) for example in _examples(capped, split))
    assert labels == dict.fromkeys(range(12), 3)


@pytest.mark.parametrize("split", ["train", "test"])
def test_images_are_stored_verbatim_and_decode_to_128_by_128_rgb(capped, split):
    for example in _examples(capped, split):
        class_name, _, number = example["file_name"].decode().split("/")[1].removesuffix(".jpg").split("-")
        assert class_name == NAMES[example["label"]]
        assert example["image"] == photos.jpeg(class_name, split=split, number=int(number))
        with Image.open(io.BytesIO(example["image"])) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (128, 128))


@pytest.mark.parametrize("split", ["train", "test"])
def test_all_surfaces_appear(split, monkeypatch):
    seen = set()
    draw = backgrounds.draw

    def record(family, **options):
        seen.add(family)
        return draw(family, **options)

    monkeypatch.setattr(backgrounds, "draw", record)
    for number in range(1, 41):
        photos.jpeg("gear", split=split, number=number)
    assert seen == set(backgrounds.FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_same_place_gives_same_bytes(name):
    first, again, other = (photos.jpeg(name, split="test", number=number) for number in (1, 1, 2))
    assert first == again != other
