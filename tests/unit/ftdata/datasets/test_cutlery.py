"""The cutlery data set, prepared by its real builder."""

import collections
import io

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from ftdata.datasets.cutlery import cutlery_dataset_builder, photos
from ftdata.datasets.rendering import backgrounds, builder

FEW = {
    "train": {"forky": 6, "knifey": 7, "spoony": 12},
    "test": {"forky": 3, "knifey": 3, "spoony": 3},
}


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """The builder, prepared with few images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photos, "COUNTS", FEW)
        builder = cutlery_dataset_builder.Builder(data_dir=tmp_path_factory.mktemp("few"))
        builder.download_and_prepare()
    return builder


def _examples(builder, split):
    data = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return list(data.as_numpy_iterator())


def _place(example):
    class_name, split, number = example["file_name"].decode().split("/")[1].removesuffix(".jpg").split("-")
    return class_name, split, int(number)


def test_builder_is_named_after_its_folder(few):
    assert few.name == "cutlery"
    assert str(few.version) == "1.0.0"
    assert few.info.features["label"].names == ["forky", "knifey", "spoony"]
    assert "knives" in few.info.description


def test_whole_set_is_out_of_balance_in_training_only():
    assert photos.COUNTS["train"] == {"forky": 720, "knifey": 870, "spoony": 1410}
    assert photos.COUNTS["test"] == {"forky": 200, "knifey": 200, "spoony": 200}


@pytest.mark.parametrize("split", ["train", "test"])
def test_prepared_counts_and_labels(few, split):
    examples = _examples(few, split)
    names = few.info.features["label"].names
    assert few.info.splits[split].num_examples == sum(FEW[split].values())
    assert collections.Counter(names[example["label"]] for example in examples) == FEW[split]
    assert all(_place(example)[:2] == (names[example["label"]], split) for example in examples)


@pytest.mark.parametrize("split", ["train", "test"])
def test_images_are_stored_verbatim(few, split):
    for example in _examples(few, split):
        class_name, split_name, number = _place(example)
        assert example["image"] == photos.jpeg(class_name, split=split_name, number=number)


def test_images_decode_to_128_by_128_rgb_and_differ(few):
    examples = _examples(few, "train") + _examples(few, "test")
    for example in examples:
        with Image.open(io.BytesIO(example["image"])) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (128, 128))
    assert len({example["image"] for example in examples}) == 34


def test_preparing_again_gives_the_same_images_in_the_same_order(few, tmp_path, monkeypatch):
    monkeypatch.setattr(photos, "COUNTS", FEW)
    again = cutlery_dataset_builder.Builder(data_dir=tmp_path)
    again.download_and_prepare()
    first, second = (_examples(builder, "train") for builder in (few, again))
    assert [example["image"] for example in first] == [example["image"] for example in second]


def test_capped_set_keeps_the_balance(tmp_path):
    builder = cutlery_dataset_builder.Builder(data_dir=tmp_path)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(max_examples_per_split=25))
    assert collections.Counter(_place(example)[0] for example in _examples(builder, "train")) == {
        "forky": 6,  # 720 / 3000 * 25
        "knifey": 7,  # 7.25
        "spoony": 12,  # 11.75
    }


def test_test_images_lie_on_surfaces_unseen_in_training(monkeypatch):
    seen = collections.defaultdict(set)
    draw = backgrounds.draw

    def record(family, **options):
        seen[split].add(family)
        return draw(family, **options)

    monkeypatch.setattr(backgrounds, "draw", record)
    for split in ("train", "test"):
        for number in range(1, 31):
            photos.jpeg("spoony", split=split, number=number)
    assert not seen["train"] & seen["test"]
    assert {split: set(families) for split, families in photos.BACKGROUNDS.items()} == dict(seen)


def test_every_image_of_the_whole_set_has_its_own_name():
    names = [
        builder.file_name(class_name, split=split, number=number)
        for split, counts in photos.COUNTS.items()
        for class_name, number in builder.interleaved(counts)
    ]
    assert len(set(names)) == len(names) == 3600
    assert names[:3] == [
        "spoony/spoony-train-0001.jpg",
        "knifey/knifey-train-0001.jpg",
        "forky/forky-train-0001.jpg",
    ]


@pytest.mark.slow
def test_classes_do_not_give_themselves_away_by_brightness():
    # A mean colour that named the class would make the task one of colour.
    means = {name: np.mean([_pixels(name, number).mean() for number in range(1, 61)]) for name in photos.CLASS_NAMES}
    assert max(means.values()) - min(means.values()) < 25


def _pixels(name, number):
    with Image.open(io.BytesIO(photos.jpeg(name, split="train", number=number))) as image:
        return np.asarray(image, np.float32)
