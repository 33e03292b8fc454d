"""Held-out images in a phase: what is frozen is computed once, and the scores are those of the images."""

import dataclasses

import numpy as np
import pytest

from tests.configs import make_config, open_context
from trainers.config import PHASES
from trainers.models.cut import cut
from trainers.training import phase_model
from trainers.training.held_out import HeldOut


def _context(photo_folder, tmp_path, *, strategy="one_device", precision="float32", **training):
    config = make_config(photo_folder, tmp_path / "run", **training)
    config = dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, mixed_precision=precision))
    return open_context(config, strategy=strategy)


@pytest.mark.parametrize(
    ("strategy", "precision"),
    [
        ("mirrored", "float32"),
        ("one_device", "float32"),
        ("one_device", "mixed_bfloat16"),
        ("mirrored", "mixed_bfloat16"),
    ],
)
@pytest.mark.slow  # behind a cut, on one device: below
def test_scores_by_features_are_those_of_the_images_and_need_them_once(photo_folder, tmp_path, strategy, precision):
    context = _context(photo_folder, tmp_path, strategy=strategy, precision=precision)
    network = phase_model.build(PHASES["transfer"], context)
    by_images, by_features = HeldOut(network, context, None), HeldOut(network, context, cut(network))
    expected = {name: by_images.evaluate(name) for name in ("validation", "test")}
    assert len(expected["test"].labels) == 15  # not a multiple of the batch
    for name in expected:
        by_features.evaluate(name)
    context.images.clear()
    for name, scores in expected.items():
        np.testing.assert_array_equal(by_features.evaluate(name).logits, scores.logits)
    shift = np.array([0.0, 1.0, 2.0])
    network.get_layer("logits").bias.assign(shift)
    np.testing.assert_allclose(by_features.evaluate("test").logits, expected["test"].logits + shift, atol=1e-6)


def test_scores_in_fine_tuning_follow_the_layers_behind_the_cut(photo_folder, tmp_path):
    context = _context(photo_folder, tmp_path, unfreeze=("block5",))
    network = phase_model.build(dataclasses.replace(PHASES["finetune"], starts_from=None), context)
    held_out = HeldOut(network, context, cut(network))
    before = held_out.evaluate("validation").logits
    kernel = next(variable for variable in network.trainable_variables if variable.name == "kernel")
    kernel.assign(kernel * 1.5)
    after = held_out.evaluate("validation").logits
    np.testing.assert_array_equal(after, HeldOut(network, context, None).evaluate("validation").logits)
    assert not np.array_equal(after, before)
