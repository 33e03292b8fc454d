"""Training on features of a few views: the numbers of training on these views, and never features of something else."""

import dataclasses
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from ftdata.cache.row_writer import wait_until_kept
from ftdata.errors import UserError
from tests.configs import make_config, open_context, with_checkpoints
from trainers import experiment
from trainers.config import PHASES
from trainers.models.cut import cut
from trainers.rundir.progress import Progress
from trainers.training import feature_views, phase_model
from trainers.training.phase_step import train_step, training_batches
from trainers.training.plan import make_plan

_READ = {"rows": 144, "computed": 0, "seconds": 0.0}  # of a phase that has begun with features


@pytest.fixture
def config(photo_folder, tmp_path):
    """`make_config` with three views and a cache of its own."""
    return _changed(
        make_config(photo_folder, tmp_path / "run", feature_views=3, transfer_epochs=4),
        data={"data_dir": str(tmp_path / "cache")},
    )


def _changed(config, **sections):
    return dataclasses.replace(
        config,
        **{name: dataclasses.replace(getattr(config, name), **values) for name, values in sections.items()},
    )


def _opened(config, *, phase="transfer", strategy="one_device"):
    """The views of a phase, their prefix and context, without a model of an earlier phase."""
    context = open_context(config, strategy=strategy)
    phase = dataclasses.replace(PHASES[phase], starts_from=None)
    network = phase_model.build(phase, context)
    parts, progress = cut(network), Progress()
    views = feature_views.of_phase(phase, make_plan(phase, context), context, parts, progress)
    assert progress.features
    return views, parts, context


def _last_line(capsys):
    return [line for line in capsys.readouterr().out.splitlines() if "features:" in line][-1]


@pytest.mark.parametrize(
    ("strategy", "phase", "settings", "shape", "tolerance"),
    [
        ("one_device", "transfer", {}, (112,), 1e-4),
        ("mirrored", "finetune", {"training": {"unfreeze": ("block5",), "finetune_epochs": 3}}, (2, 2, 80), 1e-4),
        ("mirrored", "transfer", {"runtime": {"mixed_precision": "mixed_bfloat16"}}, (112,), 3e-2),
    ],
)
@pytest.mark.slow  # steps on rows are those on images: below
def test_a_row_is_what_the_frozen_part_makes_of_a_view(config, strategy, phase, settings, shape, tolerance):
    views, parts, context = _opened(_changed(config, **settings), phase=phase, strategy=strategy)
    assert views.order.shape == (48, 3)
    rows, split = np.arange(32, 64), context.source.train
    index, number = rows // 3, rows % 3
    augmentation = feature_views.view_augmentation(context)
    drawn = augmentation.view_seeds(split.digests[index], number)
    images = augmentation.view(context.images["train"].take(index), drawn)
    expected = np.asarray(parts.prefix(images, training=False))
    assert expected.shape[1:] == shape
    found = tf.cast(views.read_at(tf.constant(rows)), tf.float32).numpy()
    np.testing.assert_allclose(found, expected.astype(np.float32), rtol=tolerance, atol=tolerance)
    assert len({row.tobytes() for row in found}) == len(found)


def test_no_more_views_than_passes_and_one_where_nothing_changes_the_images(config):
    context = open_context(config, images=False)
    plan = make_plan(PHASES["transfer"], context)
    for epochs, expected in ((1, 1), (2, 2), (4, 3)):
        assert feature_views.number_of_views(dataclasses.replace(plan, epochs=epochs), context) == expected
    still = open_context(_changed(config, augment={"augment": False}), images=False)
    assert feature_views.number_of_views(plan, still) == 1


def test_steps_on_features_are_the_steps_on_the_images(config):
    """Where nothing changes the images; dropout draws alike."""
    context = open_context(_changed(config, augment={"augment": False}))
    plan, augmentation = make_plan(PHASES["transfer"], context), feature_views.view_augmentation(context)
    found = []
    for on_features in (False, True):
        network = phase_model.build(PHASES["transfer"], context)
        parts, progress = cut(network), Progress(features=_READ if on_features else {})
        views = feature_views.of_phase(PHASES["transfer"], plan, context, parts, progress) if on_features else None
        suffix = parts.suffix if on_features else None
        step = train_step(context, network, augmentation, context.new_consensus(), suffix=suffix)
        batches = training_batches(context, views or context.images["train"], seed=augmentation.seed)(0, 4)
        totals = [step(batch, step=number, learning_rate=1e-2).numpy() for number, batch in enumerate(batches)]
        found.append((totals, network.get_layer("logits").get_weights()))
    (totals, weights), (cached_totals, cached) = found
    assert len(totals) == 4
    np.testing.assert_allclose(cached_totals, totals, rtol=1e-5)
    for one, other in zip(cached, weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.slow  # the steps: above; scores by features: test_held_out
@pytest.mark.parametrize("last", ["transfer", "finetune"])
def test_training_on_features_is_training_on_the_images(config, last):
    """Where nothing changes the images; dropout draws alike."""
    still = _changed(config, augment={"augment": False}, training={"transfer_epochs": 2})
    metrics = {
        views: experiment.run(
            _changed(
                dataclasses.replace(still, phase=last, model_dir=f"{config.model_dir}-{views}"),
                training={"feature_views": views, "unfreeze": ("block5",)},
            )
        )
        for views in (0, 3)
    }
    for phase in metrics[0]:
        live, cached = metrics[0][phase], metrics[3][phase]
        assert live["loss"] == pytest.approx(cached["loss"], rel=1e-5)
        assert live["validation_loss"] == pytest.approx(cached["validation_loss"], rel=1e-5)
        assert live["confusion_matrix"] == cached["confusion_matrix"]


def _place(config, networks, *, double=False):
    """Where the features of a phase are kept; `networks` holds those that are built, by what decides them."""
    context = open_context(config, images=False)
    key = (config.model, config.data.image_size, config.runtime)
    if key not in networks:
        networks[key] = phase_model.build(PHASES["transfer"], context)
    network = networks[key]
    if double:
        kernel = next(weight for weight in network.weights if weight.name == "kernel")
        kernel.assign(kernel * 2.0)
    place = feature_views.place(cut(network).prefix, context)
    if double:
        kernel.assign(kernel / 2.0)
    return place


@pytest.mark.slow  # of the store: test_features
def test_another_start_reads_what_is_there(config, capsys):
    _opened(config)
    assert "48 images x 3 views of 112 numbers, 0 MiB, computed in" in _last_line(capsys)
    wait_until_kept()
    _opened(_changed(config, training={"feature_views": 2, "batch_size": 8}, model={"dropout": 0.5}))
    assert "48 images x 2 views of 112 numbers, 0 MiB, read in" in _last_line(capsys)


_FEW = ({"augment": {"rotation_range": 21.0}}, {"data": {"resize": "crop"}}, {"model": {"preprocessing": "rescale"}})
_MORE = (
    *({"data": {"image_size": 40}}, {"data": {"jpeg_decode": "scaled"}}),
    *({"model": {"weights": "none"}}, {"model": {"pooling": "max"}}),
    *({"runtime": {"mixed_precision": "mixed_bfloat16"}}, {"runtime": {"fold_batch_norm": "false"}}),
    {"runtime": {"jit_compile": "true"}},
)


@pytest.mark.parametrize(
    "others", [_FEW, pytest.param((*_FEW, *_MORE), marks=pytest.mark.slow)], ids=["a few", "everything"]
)
def test_whatever_changes_features_changes_where_they_are_kept_and_nothing_else_does(config, others):
    networks = {}
    places = [_place(config, networks), _place(config, networks, double=True)]
    places += [_place(dataclasses.replace(config, seed=1), networks)]
    places += [_place(_changed(config, **changes), networks) for changes in others]
    assert len(set(places)) == len(others) + 3
    alike = [
        {"training": {"feature_views": 5, "batch_size": 8, "transfer_epochs": 9, "label_smoothing": 0.1}},
        {"data": {"split_seed": 1, "validation_fraction": 0.3}},
        {"model": {"dropout": 0.5, "dense_units": 3}},
    ]
    assert {_place(_changed(config, **changes), networks) for changes in alike} == {places[0]}


@pytest.mark.slow  # of the store: test_features
def test_another_split_and_changed_files_take_views_of_images_that_stayed(config, photo_folder, tmp_path, capsys):
    photos = shutil.copytree(photo_folder, tmp_path / "photos")
    own = _changed(config, data={"image_dir": str(photos)})
    first = set(_opened(own)[2].source.train.names)
    wait_until_kept()
    other = set(_opened(_changed(own, data={"split_seed": 1}))[2].source.train.names)
    assert first - other
    assert f", {3 * len(first & other)} of the {3 * len(other)} were there" in _last_line(capsys)
    wait_until_kept()
    path = photos / sorted(first & other)[0]
    path.write_bytes(path.read_bytes() + b"\0")  # another content, though it shows the same
    here = _opened(_changed(own, data={"split_seed": 1, "validation_fraction": 0.0}))[2].source.train.names
    known = len((first | other) & set(here)) - 1
    assert f", {3 * known} of the {3 * len(here)} were there" in _last_line(capsys)


@pytest.mark.slow
def test_no_room_on_disk_is_one_line_and_training_as_without_features(config, capsys):
    full = _changed(dataclasses.replace(config, phase="transfer"), data={"disk_cache_gib": 1e-9, "cache": "memory"})
    found = experiment.run(full)
    assert "features: no room on disk for 48 images x 3 views of 112 numbers, 0 MiB" in _last_line(capsys)
    live = _changed(full, training={"feature_views": 0})
    expected = experiment.run(dataclasses.replace(live, model_dir=f"{config.model_dir}-live"))
    assert found["transfer"]["weights_sha256"] == expected["transfer"]["weights_sha256"]


def test_what_a_phase_has_begun_with_it_keeps(config, capsys):
    full = open_context(_changed(config, data={"disk_cache_gib": 1e-9, "cache": "memory"}))
    free = open_context(config, images=False)
    phase, plan = PHASES["transfer"], make_plan(PHASES["transfer"], free)
    parts = cut(phase_model.build(phase, free))
    with pytest.raises(UserError, match="transfer has begun with features, and there is no room on disk for 48 images"):
        feature_views.of_phase(phase, plan, full, parts, Progress(step=3, features=_READ))
    assert feature_views.of_phase(phase, plan, free, parts, Progress(step=3)) is None
    assert "features: none, since transfer has begun without room for them" in _last_line(capsys)


def test_check_tells_the_size_and_when_nothing_is_gained(config):
    context = open_context(config)
    phase, plan = PHASES["transfer"], make_plan(PHASES["transfer"], context)
    parts, progress = cut(phase_model.build(phase, context)), Progress()
    (line,) = feature_views.outlook(parts, plan, context)
    size = "features: 48 images x 3 views of 112 numbers, 0 MiB, "
    assert re.fullmatch(re.escape(size) + r"which take about \d+ s to compute, once", line)
    feature_views.of_phase(phase, plan, context, parts, progress)
    assert progress.features["computed"] == progress.features["rows"] == 144
    assert feature_views.in_words(progress) == f"144 rows of features, computed in {progress.features['seconds']:.0f} s"
    assert feature_views.outlook(parts, plan, context) == [size + "which are there"]
    again = Progress()
    feature_views.of_phase(phase, plan, context, parts, again)
    assert feature_views.in_words(again) == "144 rows of features, which were there"
    short = dataclasses.replace(plan, epochs=3)
    assert "as many views as passes" in feature_views.outlook(parts, short, context)[1]
    assert feature_views.outlook(None, plan, context) == ["features: none, since the first layer trains"]
    off = open_context(_changed(config, training={"feature_views": 0}), images=False)
    assert feature_views.outlook(parts, plan, off) == []


class _Stop(keras.callbacks.Callback):
    """Raises in the middle of the second epoch."""

    def __init__(self):
        super().__init__()
        self._steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        if self._steps == 5:
            raise RuntimeError("stopped")


@pytest.mark.slow
def test_a_run_that_was_ended_ends_with_the_bits_of_one_left_alone_and_several_steps_at_once_change_nothing(config):
    config = dataclasses.replace(config, phase="transfer")
    stopped = with_checkpoints(config)
    with pytest.raises(RuntimeError, match="stopped"):
        experiment.run(stopped, callbacks=[_Stop()])
    again = experiment.run(stopped)
    alone = experiment.run(dataclasses.replace(config, model_dir=f"{config.model_dir}-alone"))
    assert again["transfer"]["weights_sha256"] == alone["transfer"]["weights_sha256"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": {"mixup_alpha": 0.2}}, "feature_views must be 0 with mixup_alpha, cutmix_alpha or background_mix"),
        ({"augment": {"background_mixing": 0.2}}, "which mix images at every step, got 3"),
        ({"data": {"data_service": "grpc://localhost:5000"}}, "feature_views must be 0 with data_service"),
    ],
)
def test_what_needs_images_at_every_step_is_refused(config, changes, message):
    with pytest.raises(UserError, match=message):
        _changed(config, **changes)


@pytest.mark.slow
def test_fine_tuning_from_the_first_layer_on_says_that_it_has_no_features(config, capsys):
    experiment.run(_changed(dataclasses.replace(config, phase="finetune"), training={"transfer_epochs": 1}))
    assert "features: none in finetune, which trains from the first layer on" in _last_line(capsys)
