"""The share of the device's peak, and the stronger of two baselines, from literal rates."""

import numpy as np
import pytest

from benchmarks import end_to_end, train_step
from benchmarks.harness import networks, tiers


def test_share_of_peak_is_taken_round_by_round():
    measured = {"step": np.array([10.0, 5.0, 10.0]), "peak": np.array([100.0, 50.0, 100.0])}  # images/s and GFLOP/s
    # the machine halved its speed for a round: 10 images/s of 2 GFLOP on 100 GFLOP/s stay a fifth
    assert train_step.shares(measured, {"step": 2_000_000_000}, {"step": "peak"}) == {"step": pytest.approx(0.2)}


def test_the_stronger_of_the_notebooks_ways_is_the_baseline():
    measured = {"notebook, a": np.array([1.0, 9.0, 2.0]), "notebook, b": np.array([3.0] * 3), "ours": np.array([99.0])}
    assert end_to_end.fastest(measured, "notebook") == "notebook, b"


def test_an_unknown_tier_is_named():
    with pytest.raises(ValueError, match="--tiers must be of memory.*got 'moon'"):
        tiers.chosen("memory,moon")


class _Flags:
    backbone, backbone_args, weights, image_size, batch_size, quick = None, None, "none", None, None, False


def test_the_networks_are_the_notebooks_and_a_small_one():
    small, vgg = networks.chosen(_Flags())
    assert (small.name, small.batch_size) == ("MobileNetV2 alpha=0.35 160x160", 32)
    assert (vgg.name, vgg.batch_size, vgg.unfreeze) == ("VGG16 224x224", 20, ("block4", "block5"))
    assert (vgg.model.pooling, vgg.model.dense_units, vgg.model.dropout) == ("flatten", 1024, 0.5)
