"""Which labels may be wrong, by images that were judged by models that had not seen them."""

import csv

import numpy as np
import pytest
from PIL import Image

from trainers.doctor.label_errors import LabelErrors
from trainers.evaluation import figures
from trainers.evaluation.scores import Evaluation


def _judged(probabilities, labels):
    return Evaluation(np.log(np.array(probabilities, float)), np.array(labels, np.int32))


_EXAMPLE = _judged(
    [[0.9, 0.1], [0.7, 0.3], [0.05, 0.95], [0.2, 0.8], [0.6, 0.4], [0.45, 0.55], [0.99, 0.01]],
    [0, 0, 0, 1, 1, 1, 1],
)


def test_a_class_is_believed_from_the_mean_of_its_own_images_on():
    """The means are (0.9 + 0.7 + 0.05) / 3 = 0.55 and (0.8 + 0.4 + 0.55 + 0.01) / 4 = 0.44."""
    found = LabelErrors.of(_EXAMPLE)
    assert found.places.tolist() == [6, 2, 4]  # by 0.01 - 0.99, 0.05 - 0.95 and 0.4 - 0.6
    assert found.suggested.tolist() == [0, 1, 0]


def test_flipped_labels_are_found():
    generator = np.random.default_rng(0)
    true = generator.integers(0, 3, 2000)
    logits = generator.normal(0, 1, (2000, 3)) + 5 * np.eye(3)[true]
    flipped = generator.permutation(2000)[:60]
    labels = true.copy()
    labels[flipped] = (labels[flipped] + 1) % 3
    found = LabelErrors.of(Evaluation(logits, labels.astype(np.int32)))
    hit = np.isin(found.places, flipped)
    assert hit.sum() >= 50
    assert hit.mean() > 0.9
    right = found.places[hit]
    np.testing.assert_array_equal(found.suggested[hit][:40], true[right][:40])


def test_what_no_model_contradicts_is_empty_and_a_class_without_images_is_never_suggested():
    sure = _judged([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1]], [0, 1])
    assert len(LabelErrors.of(sure)) == 0
    absent = _judged([[0.3, 0.1, 0.6], [0.1, 0.3, 0.6]], [0, 1])
    assert 2 not in LabelErrors.of(absent).suggested


def test_an_image_whose_label_is_its_most_probable_class_is_not_suspect():
    rare = _judged([*[[0.95, 0.05]] * 8, [0.65, 0.35], *[[0.7, 0.3]] * 3, [0.6, 0.4]], [0] * 9 + [1] * 4)
    assert 8 not in LabelErrors.of(rare).places


def test_heads_that_know_nothing_contradict_too_many():
    generator = np.random.default_rng(0)
    blind = LabelErrors.of(Evaluation(generator.normal(0, 1, (500, 3)), generator.integers(0, 3, 500).astype(np.int32)))
    assert blind.are_too_many
    assert not LabelErrors.of(_judged([[0.9, 0.1]] * 19 + [[0.05, 0.95]] * 2, [0] * 20 + [1])).are_too_many


def test_the_table_and_the_picture(tmp_path):
    found = LabelErrors.of(_EXAMPLE)
    found.write(tmp_path / "a.csv", [f"{k}, a.jpg" for k in range(7)], ["cat", "dog"])
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [(row["file"], row["label"], row["suggested"]) for row in rows] == [
        ("6, a.jpg", "dog", "cat"),
        ("2, a.jpg", "cat", "dog"),
        ("4, a.jpg", "dog", "cat"),
    ]
    assert float(rows[1]["probability_of_label"]) == pytest.approx(0.05)
    assert float(rows[1]["probability_of_suggested"]) == pytest.approx(0.95)
    asked = []

    def images_at(places):
        asked.extend(places.tolist())
        return np.zeros((len(places), 8, 8, 3), np.uint8)

    figures.save(found.picture(images_at, ["cat", "dog"]), tmp_path / "a.png")
    assert asked == [6, 2, 4]
    with Image.open(tmp_path / "a.png") as image:
        assert min(image.size) > 100
