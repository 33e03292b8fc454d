"""Data sets by folder, CSV and name: names, labels and images that belong together."""

import dataclasses
import io
import re

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

import ftdata
from ftdata import labels
from ftdata.config import DataConfig
from ftdata.errors import UserError
from ftdata.sources import tfds as tfds_source
from ftdata.sources.source import load_folder, open_source
from tests.tools import bad_files


def contents(split):
    return list(split.encoded().as_numpy_iterator())


def assert_same_images(split, root, class_names):
    """Every name is a file below `root` whose bytes and class are the split's, in its order."""
    assert contents(split) == [(root / name).read_bytes() for name in split.names]
    assert [name.split("/")[-2] for name in split.names] == [class_names[label] for label in split.labels]
    assert split.labels.dtype == np.int32
    assert int(split.encoded().cardinality()) == len(split) == len(split.positions)


def test_folder_with_a_test_set(photo_folder):
    source = open_source(DataConfig(image_dir=str(photo_folder), validation_fraction=0.2))
    assert source.name == str(photo_folder)
    assert source.class_names == ("blue", "green", "red")
    assert [len(split) for split in (source.train, source.validation, source.test)] == [48, 12, 15]
    assert source.notes == ()
    for split in (source.train, source.validation, source.test):
        assert_same_images(split, photo_folder, source.class_names)
        assert sorted(split.names) == list(split.names)  # the folder's order survives the parting
    assert len({*source.train.names, *source.validation.names, *source.test.names}) == 75


def test_folder_without_a_test_set_gives_one_up_and_says_so(photo_folder):
    root = photo_folder / "train"
    source = open_source(DataConfig(image_dir=str(root), validation_fraction=0.2))
    assert [len(split) for split in (source.train, source.validation, source.test)] == [37, 9, 14]
    assert source.notes == ("no test set found: 14 of the training images are held out as one",)
    for split in (source.train, source.validation, source.test):
        assert_same_images(split, root, source.class_names)
    assert len({*source.train.names, *source.validation.names, *source.test.names}) == 60


def test_validation_folder_is_taken_as_it_is(tmp_path, photo_folder):
    for name, origin in (("train", "train"), ("val", "test"), ("test", "test")):
        (tmp_path / name).symlink_to(photo_folder / origin)
    source = open_source(DataConfig(image_dir=str(tmp_path)))
    assert [len(split) for split in (source.train, source.validation, source.test)] == [60, 15, 15]
    assert_same_images(source.validation, tmp_path, source.class_names)
    assert source.notes[0] == "the validation images are those that come with the data set: none are held out for it"
    assert "15 images in two splits" in source.notes[1]


def test_classes_too_small_to_part_are_named(tmp_path):
    for name, count in (("a", 10), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.png").write_bytes(picture(10 * number + ord(name)))
    source = open_source(DataConfig(image_dir=str(tmp_path), validation_fraction=0.2))
    assert source.notes == (
        "no test set found: 5 of the training images are held out as one",
        "too few images of b to hold any out for the test split",
        "too few images of b, c to hold any out for the validation split",
        "warning: a has a single image in the validation split, so chance has a say in which epoch is chosen",
    )


def test_group_pattern_is_looked_for_where_it_is_used(photo_folder):
    # "train" stands in the folder, and without a slash in the pattern only the base name is searched
    config = DataConfig(image_dir=str(photo_folder), group_pattern="^train")
    with pytest.raises(UserError, match="^group_pattern must match file names such as .*which matches none$"):
        open_source(config)


def test_nothing_held_out_leaves_an_empty_validation_split(photo_folder):
    source = open_source(DataConfig(image_dir=str(photo_folder), validation_fraction=0.0))
    assert (len(source.train), len(source.validation)) == (60, 0)
    assert contents(source.validation) == []


def test_split_seed_chooses_the_validation_split(photo_folder):
    config = DataConfig(image_dir=str(photo_folder), validation_fraction=0.2)
    configs = [dataclasses.replace(config, split_seed=seed) for seed in (0, 0, 1)]
    first, again, other = (open_source(config).validation.names for config in configs)
    assert first == again
    assert first != other


def test_groups_stay_on_one_side(photo_folder):
    config = DataConfig(image_dir=str(photo_folder / "train"), validation_fraction=0.25, group_pattern=r"^\w+-\d+")
    source = open_source(config)
    groups = [{name[:-9] for name in split.names} for split in (source.train, source.validation, source.test)]
    assert set.union(*groups) == {f"{c}/{c}-{k:02}" for c in source.class_names for k in range(4)}
    assert sum(map(len, groups)) == 12  # no group on two sides


def test_subset_of_a_subset_reads_its_own_files(photo_folder):
    train = ftdata.load_folder(str(photo_folder), validation_fraction=0.0).train
    odd = train.subset(np.arange(60) % 2 == 1)
    third = odd.subset(np.arange(30) % 3 == 0)
    assert third.names == train.names[1::6]
    np.testing.assert_array_equal(third.labels, train.labels[1::6])
    assert contents(third) == contents(train)[1::6]


def test_csv(tmp_path, photo_folder):
    names = [f"train/{c}/{c}-{n % 4:02}-{n:04}.jpg" for n in range(10) for c in ("red", "blue")]
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n" + "".join(f"{name},{name.split('/')[1]}\n" for name in names))
    config = DataConfig(labels_csv=str(table), image_dir=str(photo_folder), validation_fraction=0.2)
    source = open_source(config)
    assert (source.name, source.class_names) == (str(table), ("blue", "red"))
    assert [len(split) for split in (source.train, source.validation, source.test)] == [13, 3, 4]
    for split in (source.train, source.validation, source.test):
        assert_same_images(split, photo_folder, source.class_names)


def picture(red):
    """An image that tells its number, and its bytes."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (red, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def store(data_dir, name, counts, **further):
    """A real TFDS data set on disk: `counts` images a split, of classes even and odd, in three files each."""
    label = further.pop("label", lambda number: number % 2)
    features = {"image": tfds.features.Image(shape=(4, 4, 3)), "label": tfds.features.ClassLabel(names=["even", "odd"])}
    features |= {key: tfds.features.Text() for key in further}

    def examples(first, count):
        for number in range(first, first + count):
            values = {key: value.format(number) for key, value in further.items()}
            yield number, {"image": io.BytesIO(picture(number)), "label": label(number), **values}

    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={split: list(examples(100 * k, count)) for k, (split, count) in enumerate(counts.items())},
        data_dir=data_dir,
        download_config=tfds.download.DownloadConfig(num_shards=3),
    )


def numbers(split):
    """What the images of a split say their numbers are."""
    return [int(tf.io.decode_png(encoded)[0, 0, 0]) for encoded in contents(split)]


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    tfds.disable_progress_bar()
    root = tmp_path_factory.mktemp("tfds")
    store(root, "numbered", {"train": 40, "test": 10}, file_name="{:03}.png")
    store(root, "nameless", {"train": 20, "validation": 6})
    store(root, "competition", {"train": 20, "test": 6}, label=lambda number: -1 if number >= 100 else number % 2)
    store(root, "testing_only", {"test": 6})
    return root


def test_tfds_data_set_by_name(tfds_dir):
    config = DataConfig(dataset="numbered", data_dir=str(tfds_dir), validation_fraction=0.25)
    source = open_source(config)
    assert source.name == "numbered/1.0.0"
    assert source.class_names == ("even", "odd")
    assert source.notes == ()
    assert [len(split) for split in (source.train, source.validation, source.test)] == [30, 10, 10]
    assert sorted(numbers(source.train) + numbers(source.validation)) == list(range(40))
    assert sorted(numbers(source.test)) == list(range(100, 110))
    for split in (source.train, source.validation, source.test):
        assert split.names == tuple(f"{number:03}.png" for number in numbers(split))
        np.testing.assert_array_equal(split.labels, np.array(numbers(split), np.int32) % 2, strict=True)
        assert contents(split) == [picture(number) for number in numbers(split)]  # the stored bytes
        assert int(split.encoded().cardinality()) == len(split)


def test_tfds_order_is_the_same_every_time(tfds_dir):
    config = DataConfig(dataset="numbered:1.0.0", data_dir=str(tfds_dir))
    first, second = open_source(config), open_source(config)
    assert numbers(first.train) == numbers(first.train) == numbers(second.train)


def test_tfds_groups_by_file_name(tfds_dir):
    config = DataConfig(dataset="numbered", data_dir=str(tfds_dir), group_pattern=r"^(\d\d)", validation_fraction=0.25)
    source = open_source(config)
    tens = [{number // 10 for number in numbers(split)} for split in (source.train, source.validation)]
    assert sorted(map(len, tens)) == [1, 3]
    assert not tens[0] & tens[1]


def test_tfds_validation_split_stands_in_for_a_missing_test_split(tfds_dir):
    source = open_source(DataConfig(dataset="nameless", data_dir=str(tfds_dir), validation_fraction=0.2))
    assert sorted(numbers(source.test)) == list(range(100, 106))
    assert [len(split) for split in (source.train, source.validation)] == [15, 5]
    assert source.test.names == tuple(f"validation/{position:07}" for position in range(6))


def test_tfds_test_split_without_labels_is_no_test_split(tfds_dir):
    source = open_source(DataConfig(dataset="competition", data_dir=str(tfds_dir), validation_fraction=0.2))
    assert source.notes == (
        "no test set found: 4 of the training images are held out as one",
        "warning: even has a single image in the validation split, so chance has a say in which epoch is chosen",
    )
    assert max(numbers(source.test)) < 100


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_set", "Dataset no_such_set not found"),
        ("no such set", "Parsing builder name string no such set failed"),
        ("numbered:9.9.9", "not found"),
    ],
)
def test_unknown_name_is_refused_in_one_line(tfds_dir, name, reason):
    choices = "cutlery, objects, scenes, knifey_spoony, or a name TensorFlow Datasets knows"
    message = rf"^dataset must be one of {choices}, got '{name}': [^\n]*{re.escape(reason)}[^\n]*$"
    with pytest.raises(UserError, match=message):
        open_source(DataConfig(dataset=name, data_dir=str(tfds_dir)))


def test_tfds_set_without_a_training_split_is_refused(tfds_dir):
    with pytest.raises(UserError, match="^dataset testing_only has no split 'train', only test$"):
        open_source(DataConfig(dataset="testing_only", data_dir=str(tfds_dir)))


def test_tfds_set_without_labels_is_refused(tmp_path):
    tfds.dataset_builders.store_as_tfds_dataset(
        name="unlabelled",
        version="1.0.0",
        features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
        split_datasets={"train": [(0, {"text": "a"})]},
        data_dir=tmp_path,
    )
    with pytest.raises(UserError, match="^dataset unlabelled must have an Image and a ClassLabel.*got text: Text$"):
        open_source(DataConfig(dataset="unlabelled", data_dir=str(tmp_path)))


def test_renaming_moving_and_adding_change_no_side(photo_folder, tmp_path):
    moved = tmp_path / "moved"
    for path in (photo_folder / "train").rglob("*.jpg"):
        place = moved / path.parent.name / f"a{path.name[::-1]}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    for number in range(20):  # half as many more of one class
        (moved / "red" / f"{number}.png").write_bytes(picture(number))
    before, after = (
        open_source(DataConfig(image_dir=str(folder), validation_fraction=0.2))
        for folder in (photo_folder / "train", moved)
    )
    for name in ("train", "validation", "test"):
        known, all_now = (set(contents(source.splits[name])) for source in (before, after))
        assert known <= all_now


def test_accuracy_on_few_groups_is_said_to_be_little(photo_folder, tmp_path):
    settings = {"group_pattern": r"-(\d+)-", "validation_fraction": 0.25, "data_dir": str(tmp_path)}
    (line,) = (note for note in load_folder(str(photo_folder), **settings).notes if "group" in note)
    assert line.startswith("the validation images are of 1 group: on another group the accuracy may be far from ")
    assert not [note for note in load_folder(str(photo_folder), data_dir=str(tmp_path)).notes if "group" in note]


def test_the_label_that_a_tfds_data_set_supervises_is_trained(tmp_path, capsys):
    builder = tfds.builder("omniglot", data_dir=tmp_path, try_gcs=False)  # alphabets come before characters
    assert tfds_source._feature_keys(builder, is_multi=False) == ("image", "label")
    assert "note: omniglot has the labels label, alphabet: label is trained" in capsys.readouterr().out


@pytest.mark.parametrize(("count", "has_warning"), [(7, True), (24, False)])
def test_a_class_with_a_single_image_to_choose_the_epoch_by_is_warned_of(tmp_path, count, has_warning):
    root = bad_files.write_good(tmp_path / "photos", count=count)
    source = load_folder(str(root), validation_fraction=0.15, data_dir=str(tmp_path / "data"))
    there = labels.counts(source.validation.labels, 2).tolist()
    assert (1 in there) == has_warning
    said = [note for note in source.notes if "in the validation split, so chance has a say" in note]
    assert bool(said) == has_warning
