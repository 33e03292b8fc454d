"""A head that is solved for: scikit-learn's answers from a stock layer, and a strength chosen over whole groups."""

import csv
import dataclasses

import keras
import numpy as np
import pytest

import trainers
from tests.configs import make_config
from trainers.config import ModelConfig, TrainConfig, TrainingConfig
from trainers.training import logistic_head


def _features(classes, count=60, channels=8):
    """Rows of which the labels are told apart by most channels, none of mean 0 and variance 1."""
    generator = np.random.default_rng(0)
    labels = (np.arange(count) % classes).astype(np.int32)
    centres = generator.normal(size=(classes, channels))
    scale, shift = generator.uniform(0.1, 9, channels), generator.uniform(-5, 5, channels)
    return ((centres[labels] + generator.normal(size=(count, channels))) * scale + shift).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 3])
def test_the_layer_answers_as_the_regression_does(classes):
    features, labels = _features(classes)
    model = logistic_head.fit(features, labels, dict.fromkeys(range(classes), 1.0), strength=0.1)
    kernel, bias = logistic_head.folded(model)
    layer = keras.layers.Dense(classes, activation="softmax")
    layer.build(features.shape)
    layer.set_weights([kernel, bias])
    np.testing.assert_allclose(layer(features), model.predict_proba(features), atol=1e-5)


def test_the_strength_is_chosen_over_whole_groups():
    groups, labels = np.arange(90) // 9, (np.arange(90) % 3).astype(np.int32)
    features = np.eye(30, dtype=np.float32)[groups * 3 + labels]  # tells a class by what is in no other group
    weights = dict.fromkeys(range(3), 1.0)
    _, within = logistic_head.choose(features, labels, weights, groups=None, monitor="accuracy")
    strength, across = logistic_head.choose(features, labels, weights, groups=groups, monitor="accuracy")
    assert strength in logistic_head.STRENGTHS
    assert across < 0.6 < 0.9 < within
    _, loss = logistic_head.choose(features, labels, weights, groups=groups, monitor="loss")
    assert loss < 0  # the lowest loss is the highest score


def test_too_few_images_for_folds_are_no_error():
    features, labels = _features(3, count=3)
    assert logistic_head.choose(features, labels, {0: 1.0, 1: 1.0, 2: 1.0}, groups=None, monitor="loss")[1] is None


@pytest.mark.slow  # the head of a run: test_cross_validation; fine-tuning goes on from any transfer
def test_a_run_that_solves_for_its_head_goes_on_to_fine_tuning(photo_folder, tmp_path):
    config = make_config(photo_folder, tmp_path / "run", feature_views=2, head_solver="lbfgs", finetune_epochs=1)
    metrics = trainers.run(config)
    assert metrics["transfer"]["epoch"] == metrics["transfer"]["step"] == 0
    assert metrics["transfer"]["images_per_second"] is None
    assert metrics["transfer"]["test_accuracy"] > 0.6  # colour tells the classes apart
    assert metrics["finetune"]["step"] > 0
    with (tmp_path / "run/transfer/history.csv").open(encoding="utf-8") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0"]


@pytest.mark.slow
def test_a_head_is_solved_for_to_the_same_bits(photo_folder, tmp_path):
    config = make_config(photo_folder, tmp_path / "run", feature_views=2, head_solver="lbfgs")
    both = [dataclasses.replace(config, phase="transfer", model_dir=str(tmp_path / name)) for name in ("one", "two")]
    first, second = (trainers.run(one)["transfer"]["weights_sha256"] for one in both)
    assert first == second


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training": TrainingConfig(head_solver="lbfgs")}, "feature_views must be at least 1"),
        (
            {"training": TrainingConfig(head_solver="lbfgs", feature_views=1), "model": ModelConfig(dense_units=5)},
            "dense_units must be 0",
        ),
    ],
)
def test_what_cannot_be_solved_for_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)
