"""Every tier: the same pictures in the same order, augmented afresh in every epoch."""

import numpy as np
import pytest
import tensorflow as tf

from ftdata import pipeline
from ftdata.augment.augmentation import Augmentation
from ftdata.cache import filling, tiers
from ftdata.config import AugmentConfig, DataConfig
from ftdata.sources.source import open_source
from tests.tools.tfds_files import write_tfds

_SIDE, _BATCH = 24, 8
_WEIGHTS = np.ones(3, np.float32)
_ALONE = pipeline.Shard()


@pytest.fixture(scope="module")
def sources(photo_folder, tmp_path_factory):
    """The same kind of pictures as files and as TFRecords."""
    data_dir = tmp_path_factory.mktemp("tfds")
    write_tfds(photo_folder, data_dir, name="little_photos")
    common = {"image_size": _SIDE, "validation_fraction": 0.25, "data_dir": str(data_dir)}
    configs = {
        "files": DataConfig(image_dir=str(photo_folder), **common),
        "records": DataConfig(dataset="little_photos", **common),
    }
    return {name: (open_source(config), config) for name, config in configs.items()}


def _training(source, config, tier, steps, shard=_ALONE):
    pictures = tiers.open_split(source.train, config, tier=tier)
    labels = source.train.labels
    data = pipeline.for_training(
        pictures, labels, class_weights=_WEIGHTS, global_batch=_BATCH, seed=5, steps=steps, shard=shard
    )
    images = pictures.tensor.numpy() if tier == "device" else None
    # the device tier gathers inside the training step
    return [b | {"image": b["image"] if images is None else images[b["index"]]} for b in data.as_numpy_iterator()]


def _same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        for name in other:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize("kind", ["files", "records"])
@pytest.mark.parametrize("tier", ["device", "disk", "none"])
def test_every_tier_gives_the_batches_of_memory(sources, kind, tier):
    source, config = sources[kind]
    if (kind, tier) == ("records", "none"):
        pytest.skip("records that rest nowhere can only be shuffled in a stream: the one exception")
    _same(_training(source, config, tier, (0, 14)), _training(source, config, "memory", (0, 14)))


@pytest.mark.parametrize("kind", ["files", "records"])
@pytest.mark.parametrize("tier", ["device", "memory", "disk", "none"])
def test_any_step_can_be_rebuilt_alone(sources, kind, tier):
    source, config = sources[kind]
    _same(_training(source, config, tier, (9, 12)), _training(source, config, tier, (0, 12))[9:])


@pytest.mark.parametrize("kind", ["files", "records"])
def test_a_pass_without_a_cache_shows_every_picture_once_in_an_order_of_its_own(sources, kind):
    source, config = sources[kind]
    n = len(source.train)
    index = np.concatenate([b["index"] for b in _training(source, config, "none", (0, 14))])
    passes = index[: 2 * n].reshape(2, n)
    assert [sorted(line) for line in passes] == [list(range(n))] * 2
    assert not np.array_equal(*passes)


def test_replicas_share_a_stream_without_a_picture_lost_or_doubled(sources):
    source, config = sources["records"]
    whole = _training(source, config, "none", (2, 5))
    parts = [_training(source, config, "none", (2, 5), pipeline.Shard(first, 1, 2)) for first in (0, 1)]
    joined = [{name: np.concatenate([a[name], b[name]]) for name in a} for a, b in zip(*parts, strict=True)]
    _same(joined, whole)


@pytest.mark.parametrize("kind", ["files", "records"])
@pytest.mark.parametrize("tier", ["memory", "disk", "none"])
def test_evaluation_counts_every_picture_once(sources, kind, tier):
    source, config = sources[kind]
    pictures, labels = tiers.open_split(source.test, config, tier=tier), source.test.labels
    expected = filling.in_memory(source.test, config).numpy()
    for shards in ([pipeline.Shard()], [pipeline.Shard(0, 1, 2), pipeline.Shard(1, 1, 2)]):
        every = [
            b
            for shard in shards
            for b in pipeline.for_evaluation(pictures, labels, global_batch=4, shard=shard).as_numpy_iterator()
        ]
        columns = (np.concatenate([b[name] for b in every]) for name in ("index", "image", "label", "weight"))
        counted = [(i, x, y) for i, x, y, weight in zip(*columns, strict=True) if weight]
        assert sorted(i for i, _, _ in counted) == list(range(15))
        assert all((x == expected[i]).all() and y == labels[i] for i, x, y in counted)


@pytest.mark.parametrize("kind", ["files", "records"])
@pytest.mark.parametrize("tier", ["device", "memory", "disk", "none"])
def test_the_second_epoch_is_augmented_afresh(sources, kind, tier):
    source, config = sources[kind]
    augmentation = Augmentation(AugmentConfig(rotation_range=90.0), seed=5)
    seen = {}
    for step, batch in enumerate(_training(source, config, tier, (0, 14))):
        images, _ = augmentation(
            tf.constant(batch["image"]), batch["slot"], step=tf.constant(step), global_batch=_BATCH
        )
        for number, image in zip(batch["index"], images.numpy(), strict=True):
            seen.setdefault(int(number), []).append(image)
    twice = [views for views in seen.values() if len(views) > 1]
    assert len(twice) == len(source.train)
    assert not any(np.array_equal(views[0], views[1]) for views in twice)


def test_a_few_pictures_can_be_taken_from_any_tier(sources):
    for kind, (source, config) in sources.items():
        expected = filling.in_memory(source.train, config).numpy()[[7, 0, 3]]
        for tier in ("memory", "disk", "none"):
            taken = tiers.open_split(source.train, config, tier=tier).take(np.array([7, 0, 3]))
            np.testing.assert_array_equal(taken, expected, err_msg=f"{kind} {tier}")


def test_a_tier_without_room_falls_to_the_next_and_says_so(sources, tmp_path, monkeypatch):
    source, config = sources["files"]
    lines = []
    monkeypatch.setattr(tiers, "in_memory", _no_room)
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder of the disk tier would be made")
    import dataclasses

    auto = dataclasses.replace(config, cache="auto", data_dir=str(blocked))
    pictures = tiers.open_all(source, auto, on_gpu=False, say=lines.append)
    assert {name: part.tier for name, part in pictures.items()} == dict.fromkeys(source.splits, "none")
    assert "trying disk" in lines[1]
    assert "trying none" in lines[2]
    with pytest.raises(OSError, match="Not a directory"):
        tiers.open_all(source, dataclasses.replace(auto, cache="disk"), on_gpu=False, say=lines.append)


def _no_room(*_):
    raise MemoryError("no room")
