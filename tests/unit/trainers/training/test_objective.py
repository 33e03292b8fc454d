"""What several labels an image are trained by: against Keras' binary cross entropy, weighted, smoothed and mixed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ftdata.errors import UserError
from trainers.config import from_dict
from trainers.config.multi_label import check_use
from trainers.config.use import UseConfig
from trainers.models.classifier import probabilities_layer, task_of
from trainers.models.symmetries import averaged
from trainers.training.objective import OneClass, SeveralLabels, of

_LOGITS = np.random.default_rng(0).normal(size=(6, 3)) * 3
_LABELS = np.float32([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]])


def losses(labels, *, smoothing=0.0, weights=(1.0, 1.0, 1.0)):
    return SeveralLabels(smoothing, np.float32(weights)).losses(tf.constant(_LOGITS), tf.constant(labels)).numpy()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_keras(smoothing):
    keras_loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing, reduction="none")
    expected = keras_loss(tf.constant(_LABELS), tf.constant(_LOGITS, tf.float32)).numpy()
    np.testing.assert_allclose(losses(_LABELS, smoothing=smoothing), expected, rtol=2e-6)


def test_positive_weights_count_images_that_show_a_class():
    p = 1 / (1 + np.exp(-_LOGITS))
    expected = -np.mean(np.array([2, 3, 0.5]) * _LABELS * np.log(p) + (1 - _LABELS) * np.log(1 - p), axis=1)
    np.testing.assert_allclose(losses(_LABELS, weights=(2, 3, 0.5)), expected, rtol=1e-12)


def test_mixed_losses_are_those_of_mixed_labels():
    options = {"smoothing": 0.1, "weights": (2, 3, 0.5)}
    mixed = 0.3 * _LABELS + 0.7 * _LABELS[::-1]
    expected = 0.3 * losses(_LABELS, **options) + 0.7 * losses(_LABELS[::-1].copy(), **options)
    np.testing.assert_allclose(losses(mixed, **options), expected, rtol=1e-6)


def test_right_is_every_label_or_the_class():
    several = SeveralLabels(0.0, np.ones(3, np.float32))
    right = several.right(tf.constant([[1.0, -1, 2], [1.0, 1, 2]]), tf.constant([[1.0, 0, 1], [1, 0, 1]])).numpy()
    assert right.tolist() == [True, False]
    assert isinstance(of(0.1, None), OneClass)


def test_sigmoids_are_averaged_as_probabilities():
    pixels = keras.Input((4, 4, 3))
    logits = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(pixels))
    model = keras.Model(pixels, probabilities_layer("multi", dtype="float32")(logits))
    assert task_of(model) == "multi"
    image = np.random.default_rng(1).normal(size=(2, 4, 4, 3)).astype(np.float32)
    mean = (model(image) + model(image[:, :, ::-1])) / 2
    both = averaged(model, "flip")
    assert task_of(both) == "multi"
    np.testing.assert_allclose(both(image), mean, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head_solver": "lbfgs", "feature_views": 1}, "head_solver=lbfgs cannot go with task=multi: "),
        ({"folds": "3", "soup": True}, "soup cannot go with task=multi: "),
        ({"time_budget": "5m"}, "time_budget cannot go with task=multi: "),
        ({"phase": "estimate"}, "phase=estimate cannot go with task=multi: "),
        ({"none_of_these": 0.9}, "none_of_these cannot go with a model of task=multi: "),
        ({"export_formats": ["web"]}, "export_formats=web cannot go with a model of task=multi: "),
        ({"task": "single", "monitor": "map"}, "monitor=map is for task=multi"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(settings, message):
    with pytest.raises(UserError, match=f"^{message}") as caught:
        from_dict({"labels_csv": "labels.csv", "task": "multi", **settings})
    assert "\n" not in str(caught.value)


def test_the_monitor_of_several_labels_is_map():
    assert from_dict({"labels_csv": "labels.csv", "task": "multi"}).monitored == "map"
    assert from_dict({"labels_csv": "labels.csv", "task": "multi", "monitor": "f1_macro"}).monitored == "f1_macro"
    assert from_dict({"labels_csv": "labels.csv"}).monitored == "balanced_accuracy"


def test_a_model_of_one_class_may_be_asked_anything():
    check_use(UseConfig(target_recall=0.9, label_next=3), task="single")
    with pytest.raises(UserError, match=r"^target_recall cannot go with a model of task=multi"):
        check_use(UseConfig(target_recall=0.9), task="multi")
