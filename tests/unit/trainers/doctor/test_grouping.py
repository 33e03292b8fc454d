"""Guessing from file names which images belong together."""

import itertools

import numpy as np
import pytest

from ftdata.sources.holdout import group_ids
from trainers.doctor.grouping import suggest

CLASSES = ("cat", "dog")


def named(template, groups=6, frames=10):
    """File names of both classes, their labels and (class, group), frame by frame."""
    rows = [
        (f"{name}/" + template.format(name=name, group=group, frame=frame), label, group)
        for label, name in enumerate(CLASSES)
        for group in range(1, groups + 1)
        for frame in range(frames)
    ]
    names, labels, numbers = zip(*rows, strict=True)
    return names, np.array(labels), np.array(numbers)


def neighbours(*keys):
    """Places of the pairs that are alike in all `keys`."""
    same = np.logical_and.reduce([key[:, None] == key[None] for key in keys])
    return np.argwhere(np.triu(same, 1))


@pytest.mark.parametrize(
    "template",
    [
        "{name}-{group:02}-{frame:04}.jpg",
        "{name}_{group:02}_{frame:04}.jpg",
        "{name}_v{group}_{frame}.jpg",
        "{group:03}_{frame}.png",  # patients
        "video{group}frame{frame:03}.png",
        "room{group}/{frame:03}.png",
    ],
)
def test_the_groups_of_usual_file_names_are_found(template):
    names, labels, group = named(template)
    alike = neighbours(labels, group)
    found = suggest(names, labels, alike, splits=2)
    assert found.kept == 1.0
    ids = group_ids(names, found.pattern)
    assert (ids[alike[:, 0]] == ids[alike[:, 1]]).all()
    assert found.groups in (6, 12)


def test_class_and_number_where_each_class_has_its_own_scenes():
    names, labels, group = named("{name}-{group:02}-{frame:04}.jpg")
    assert suggest(names, labels, neighbours(labels, group), splits=2).groups == 12


def test_the_number_alone_where_classes_share_the_scene():
    names, labels, group = named("{name}-{group:02}-{frame:04}.jpg")
    found = suggest(names, labels, neighbours(group), splits=2)
    assert (found.pattern, found.groups) == (r"-(\d+)-", 6)


def test_nothing_where_names_say_nothing_of_what_looks_alike():
    names, labels, _ = named("{name}-{group:02}-{frame:04}.jpg")
    anything = np.random.default_rng(0).integers(0, len(names), (300, 2))
    assert suggest(names, labels, anything, splits=2) is None


def test_nothing_where_names_are_numbers_throughout():
    names = tuple(f"{name}/{number:05}.jpg" for name, number in itertools.product(CLASSES, range(60)))
    labels = np.repeat([0, 1], 60)
    assert suggest(names, labels, neighbours(np.arange(120) // 10), splits=2) is None


def test_nothing_where_a_class_has_too_few_groups_to_part():
    names, labels, group = named("{name}-{group:02}-{frame:04}.jpg", groups=2, frames=30)
    alike = neighbours(labels, group)
    assert suggest(names, labels, alike, splits=2).groups == 4
    assert suggest(names, labels, alike, splits=3) is None


def test_nothing_where_few_images_look_alike():
    names, labels, group = named("{name}-{group:02}-{frame:04}.jpg")
    assert suggest(names, labels, neighbours(labels, group)[:5], splits=2) is None
