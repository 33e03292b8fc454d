"""What the doctor says of leakage and of several labels, on splits that are made up: no image is read."""

import numpy as np
import pytest

from ftdata.config import DataConfig
from ftdata.sources.source import Source
from ftdata.sources.split import Split
from ftdata.texts import Texts
from trainers.doctor import findings
from trainers.doctor.survey import Survey

_TRAIN, _HELD_OUT = 40, 20


def split(labels, name, *, first=0):
    count = len(labels)
    names = Texts.of(f"{name}-{(37 * k) % 101}x.jpg" for k in range(first, first + count))
    return Split(labels, names, np.arange(count), np.zeros((count, 2), np.uint64), lambda places: places, "made up")


def source(labels, **settings):
    """Training, validation and test images with the same label, or set of labels."""
    parts = [split(np.resize(labels, (count, *labels.shape[1:])), "x") for count in (_TRAIN, _HELD_OUT, _HELD_OUT)]
    return Source("data", ("a", "b"), *parts, **settings)


def surveys(data):
    """Every held-out image looks like a training image."""
    hashes = np.random.default_rng(0).integers(0, 2**63, (_TRAIN, 5)).astype(np.uint64)
    return {
        name: Survey(
            np.full((len(part), 2), 64), hashes[: len(part)], np.ones(len(part), bool), np.zeros(len(part), bool)
        )
        for name, part in data.splits.items()
    }


@pytest.mark.parametrize(
    ("config", "where"),
    [
        ({"labels_csv": "a.csv"}, "in a column split of the CSV (train, validation, test)"),
        ({"records": "*.tar"}, "in shards of their own, with validation or test in their names"),
        ({"image_dir": "photos"}, "in folders train, validation and test"),
    ],
)
def test_leaks_are_mended_where_the_data_say_their_splits(config, where):
    config = DataConfig(**config)
    for held_out, said in (
        (("validation", "test"), "say by hand which images are"),
        ((), "are those that the data names"),
    ):
        data = source(np.array([0, 1], np.int32), held_out=held_out)
        found = findings.leakage(config, data, surveys(data), seed=0)
        (line,) = (line for line in found.lines if said in line)
        assert line.endswith(where)
        assert found.facts["validation"]["share"] == 1.0
        assert found.advice == ()


def test_of_several_labels_images_without_one_are_counted_and_few_are_warned_of():
    labels = np.array([[1, 0], [1, 1], [0, 0], [1, 0]], np.float32)
    found = findings.balance(source(labels), class_weight="none")
    assert found.facts["images"] == {"train": 40, "validation": 20, "test": 20}
    assert found.facts["without_label"] == {"train": 10, "validation": 5, "test": 5}
    assert found.facts["train"] == {"a": 30, "b": 10}
    said = "\n".join(found.lines)
    assert "1.00 labels a training image in the mean" in said
    assert "warning: fewer than 10 validation images show, or do not show, b (5), a (15)" in said
    assert "every label right is known to within" in said


def test_of_one_class_an_image_nothing_is_counted_twice():
    found = findings.balance(source(np.array([0, 1], np.int32)), class_weight="none")
    assert set(found.facts) == {"train", "validation", "test"}
    assert not any("label" in line for line in found.lines)
