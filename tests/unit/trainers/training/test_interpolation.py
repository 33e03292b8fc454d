"""Weights between the start of fine-tuning and its result."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest

from tests.configs import make_config, open_context
from trainers.config import PHASES
from trainers.models.cut import cut
from trainers.rundir.progress import Progress
from trainers.training import interpolation, phase_model
from trainers.training.averaging import restart_averages
from trainers.training.context import Candidate, FoldRole
from trainers.training.held_out import HeldOut


def test_between_by_hand():
    start, tuned = [np.float32([1.0, -2.0]), np.int64([7])], [np.float32([3.0, 2.0]), np.int64([8])]
    for alpha, expected in ((0.0, [1.0, -2.0]), (0.25, [1.5, -1.0]), (0.75, [2.5, 1.0]), (1.0, [3.0, 2.0])):
        kernel, counter = interpolation.between(start, tuned, alpha)
        np.testing.assert_array_equal(kernel, np.float32(expected))
        assert (kernel.dtype, counter[0]) == (np.float32, 8)


def test_what_is_the_same_at_both_ends_keeps_its_bits():
    values = [np.random.default_rng(0).normal(size=1000).astype(np.float32)]
    for alpha in interpolation.ALPHAS:
        np.testing.assert_array_equal(interpolation.between(values, values, alpha)[0], values[0])


def _row(epoch, loss, accuracy):
    scores = dict.fromkeys(("accuracy", "balanced_accuracy", "f1_macro"), accuracy)
    return {"epoch": epoch, "validation_loss": loss, **{f"validation_{name}": v for name, v in scores.items()}}


@pytest.fixture(scope="module")
def opened(run_alone, photo_folder, tmp_path_factory):
    """Context, network and scores of a phase of fine-tuning that has ended with other weights in the network."""
    model_dir = tmp_path_factory.mktemp("ended") / "run"
    shutil.copytree(run_alone.model_dir, model_dir, ignore=shutil.ignore_patterns("lock"))
    context = open_context(make_config(photo_folder, model_dir, interpolate_weights=True))
    network = phase_model.build(PHASES["finetune"], context)
    held_out = HeldOut(network, context, cut(network))
    return context, network, held_out, network.get_weights(), context.run_dir.phase("finetune").best.read_bytes()


@pytest.fixture
def ended(opened):
    """The same for one test: the weights, their averages and the file are as they were."""
    context, network, held_out, weights, best = opened
    network.set_weights(weights)
    restart_averages(network.optimizer)
    context.run_dir.phase("finetune").best.unlink()  # a hard link may share it
    context.run_dir.phase("finetune").best.write_bytes(best)
    return context, network, held_out


def _choose(ended, rows, best):
    context, network, held_out = ended
    progress = Progress(history=rows, best=best)
    return interpolation.choose(PHASES["finetune"], context, network, held_out, progress)


def _weights(path):
    return keras.saving.load_model(path).get_weights()


def test_the_best_mixture_is_kept_where_it_beats_both_ends(ended):
    root = ended[0].run_dir.root
    start, tuned = _weights(root / "transfer/best.keras"), _weights(root / "finetune/best.keras")
    rows = [_row(0, 9.0, 0.0), _row(1, 9.0, 0.0)]  # as if both had been wrong of everything
    kept = _choose(ended, rows, rows[1] | {"ema_decay": 0.9})
    found = kept["interpolation"]
    tried = {one["alpha"]: one for one in found["tried"]}
    assert list(tried) == [1.0, 0.75, 0.5, 0.25, 0.0]
    scores = {
        alpha: (tried[alpha]["validation_balanced_accuracy"], -tried[alpha]["validation_loss"]) for alpha in tried
    }
    assert found["alpha"] == max(interpolation.ALPHAS, key=scores.get)
    assert (kept["epoch"], kept["ema_decay"], found["epoch"]) == (1, 0.9, 1)
    assert kept["validation_balanced_accuracy"] == scores[found["alpha"]][0] > 0
    written = _weights(root / "finetune/best.keras")
    assert any(np.any(one != other) for one, other in zip(start, tuned, strict=True))
    for one, other, value in zip(start, tuned, written, strict=True):
        np.testing.assert_allclose(value, found["alpha"] * other + (1 - found["alpha"]) * one, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_both_ends_stay_where_they_are_better(ended):
    path = ended[0].run_dir.phase("finetune").best
    before = path.read_bytes()
    best_end = [_row(0, 9.0, 0.0), _row(1, 0.0, 1.0)]
    kept = _choose(ended, best_end, best_end[1])
    assert (kept["epoch"], kept["interpolation"]["alpha"], path.read_bytes()) == (1, 1.0, before)


@pytest.mark.slow
def test_where_no_epoch_beats_the_start_the_way_to_the_last_is_tried(ended):
    context, network, _ = ended
    root = context.run_dir.root
    start = _weights(root / "transfer/best.keras")
    last = [value + np.float32(0.01) for value in start]  # what the last step has left
    network.set_weights(last)
    restart_averages(network.optimizer)
    rows = [_row(0, 8.0, 0.0), _row(1, 9.0, 0.0), _row(2, 9.5, 0.0)]
    kept = _choose(ended, rows, rows[0])
    alpha = kept["interpolation"]["alpha"]
    assert (kept["epoch"], kept["interpolation"]["epoch"]) == (2, 2)
    for one, value in zip(start, _weights(root / "finetune/best.keras"), strict=True):
        np.testing.assert_allclose(value, one + alpha * np.float32(0.01), rtol=1e-5, atol=1e-7)
    kept = _choose(ended, [_row(0, 0.0, 1.0), *rows[1:]], _row(0, 0.0, 1.0))
    assert (kept["epoch"], kept["interpolation"]["alpha"]) == (0, 0.0)


def test_what_folds_have_chosen_needs_no_scores(ended):
    context, network, held_out = ended
    context = dataclasses.replace(context, role=FoldRole(chosen={"finetune": Candidate(2, None, 0.25)}))
    root = context.run_dir.root
    start, tuned = _weights(root / "transfer/best.keras"), _weights(root / "finetune/best.keras")
    rows = [{"epoch": number, "validation_loss": None} for number in range(3)]
    assert _choose((context, network, held_out), rows, rows[2]) is rows[2]
    for one, other, value in zip(start, tuned, _weights(root / "finetune/best.keras"), strict=True):
        np.testing.assert_allclose(value, 0.25 * other + 0.75 * one, rtol=1e-5, atol=1e-7)


def test_the_way_from_the_start_leaves_the_network_as_it_was(ended):
    context, network, _ = ended
    start = interpolation.start_of(PHASES["finetune"], context, network)
    network.set_weights([value + np.float32(1) for value in start])
    before = network.get_weights()
    with interpolation.mixed_with(start, network, 0.25):
        for one, value in zip(start, network.get_weights(), strict=True):
            np.testing.assert_allclose(value, one + 0.25, rtol=1e-6)
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_two_devices_choose_the_same(ended, photo_folder):
    context, _, _ = ended
    rows = [_row(0, 9.0, 0.0), _row(1, 9.0, 0.0)]
    tuned = context.run_dir.phase("finetune").best
    original = tuned.read_bytes()
    config = make_config(photo_folder, context.run_dir.root, interpolate_weights=True)
    found = {}
    for devices in ("one_device", "mirrored"):
        tuned.write_bytes(original)
        runtime = dataclasses.replace(config.runtime, distribution_strategy=devices)
        on_these = open_context(dataclasses.replace(config, runtime=runtime), strategy=devices)
        network = phase_model.build(PHASES["finetune"], on_these)
        found[devices] = _choose((on_these, network, HeldOut(network, on_these, cut(network))), rows, rows[1])
    one, two = (found[devices]["interpolation"] for devices in ("one_device", "mirrored"))
    assert one["alpha"] == two["alpha"]
    np.testing.assert_allclose(
        [row["validation_loss"] for row in one["tried"]], [row["validation_loss"] for row in two["tried"]], rtol=1e-5
    )
