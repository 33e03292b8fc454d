"""Every tier: the same images in the same order, augmented afresh in every epoch."""

import numpy as np
import pytest
import tensorflow as tf

from ftdata import pipeline
from ftdata.augment.augmentation import Augmentation
from ftdata.cache import tiers
from ftdata.config import AugmentConfig, DataConfig
from ftdata.sources.source import open_source
from tests.tools.tfds_files import write_tfds

_SIDE, _BATCH = 24, 8
_WEIGHTS = np.ones(3, np.float32)
_ALONE = pipeline.Shard()


class _World:
    """Sources, and what comes of them: opened and read once, as building the graphs takes most of the time."""

    def __init__(self, sources):
        self.sources, self._opened, self._batches = sources, {}, {}

    def open(self, kind, tier, *, split="train"):
        """(images, labels) of a split in a tier."""
        if (kind, tier, split) not in self._opened:
            source, config = self.sources[kind]
            part = {"train": source.train, "test": source.test}[split]
            self._opened[kind, tier, split] = tiers.open_split(part, config, tier=tier), part.labels
        return self._opened[kind, tier, split]

    def whole(self, kind, tier):
        """The batches of steps 0 to 14."""
        if (kind, tier) not in self._batches:
            self._batches[kind, tier] = self.training(kind, tier, (0, 14))
        return self._batches[kind, tier]

    def training(self, kind, tier, steps, shard=_ALONE):
        pictures, labels = self.open(kind, tier)
        data = pipeline.for_training(
            pictures, labels, class_weights=_WEIGHTS, global_batch=_BATCH, seed=5, steps=steps, shard=shard
        )
        images = pictures.tensor.numpy() if tier == "device" else None
        # the device tier gathers inside the training step
        return [b | {"image": b["image"] if images is None else images[b["index"]]} for b in _untuned(data)]


def _untuned(data):
    """The batches, of a data set that is not tuned: closing one that is can take a minute."""
    assert data.options().autotune.enabled is False
    return data.as_numpy_iterator()


@pytest.fixture(scope="module")
def world(photo_folder, tmp_path_factory):
    """The same kind of images as files and as TFRecords."""
    data_dir = tmp_path_factory.mktemp("tfds")
    write_tfds(photo_folder, data_dir, name="little_photos")
    common = {"image_size": _SIDE, "validation_fraction": 0.25, "data_dir": str(data_dir)}
    configs = {
        "files": DataConfig(image_dir=str(photo_folder), **common),
        "records": DataConfig(dataset="little_photos", **common),
    }
    return _World({name: (open_source(config), config) for name, config in configs.items()})


def _same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        for name in other:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


# records are read into memory and onto the disk as files are; resting nowhere they can only be shuffled in a stream
_EVERY = [("files", "device"), ("files", "disk"), ("files", "none")]
_MORE = [pytest.param("records", tier, marks=pytest.mark.slow) for tier in ("device", "disk")]


@pytest.mark.parametrize(("kind", "tier"), [*_EVERY, *_MORE])
def test_every_tier_gives_the_batches_of_memory(world, kind, tier):
    _same(world.whole(kind, tier), world.whole(kind, "memory"))


@pytest.mark.parametrize(
    ("kind", "tier"), [*_EVERY, ("files", "memory"), *_MORE, pytest.param("records", "memory", marks=pytest.mark.slow)]
)
def test_any_step_can_be_rebuilt_alone(world, kind, tier):
    _same(world.training(kind, tier, (9, 12)), world.whole(kind, tier)[9:12])


@pytest.mark.parametrize("kind", ["files", "records"])
def test_a_pass_without_a_cache_shows_every_image_once_in_an_order_of_its_own(world, kind):
    n = len(world.sources[kind][0].train)
    index = np.concatenate([b["index"] for b in world.whole(kind, "none")])
    passes = index[: 2 * n].reshape(2, n)
    assert [sorted(line) for line in passes] == [list(range(n))] * 2
    assert not np.array_equal(*passes)


@pytest.mark.slow
def test_replicas_share_a_stream_without_an_image_lost_or_doubled(world):
    whole = world.whole("records", "none")[9:12]
    parts = [world.training("records", "none", (9, 12), pipeline.Shard(first, 1, 2)) for first in (0, 1)]
    joined = [{name: np.concatenate([a[name], b[name]]) for name in a} for a, b in zip(*parts, strict=True)]
    _same(joined, whole)


@pytest.mark.parametrize(
    ("tier", "kind"),
    [
        *(("memory", "files"), ("disk", "files"), ("none", "files"), ("none", "records")),
        *(pytest.param(tier, "records", marks=pytest.mark.slow) for tier in ("memory", "disk")),  # read as files are
    ],
)
def test_evaluation_counts_every_image_once(world, kind, tier):
    pictures, labels = world.open(kind, tier, split="test")
    expected = world.open(kind, "device", split="test")[0].tensor.numpy()
    two = [pipeline.Shard(0, 1, 2), pipeline.Shard(1, 1, 2)]
    # a stream takes a second each to open
    for shards in [two] if (kind, tier) == ("records", "none") else [[pipeline.Shard()], two]:
        every = [
            b
            for shard in shards
            for b in _untuned(pipeline.for_evaluation(pictures, labels, global_batch=4, shard=shard))
        ]
        columns = (np.concatenate([b[name] for b in every]) for name in ("index", "image", "label", "weight"))
        counted = [(i, x, y) for i, x, y, weight in zip(*columns, strict=True) if weight]
        assert sorted(i for i, _, _ in counted) == list(range(15))
        assert all((x == expected[i]).all() and y == labels[i] for i, x, y in counted)


@pytest.mark.parametrize(("kind", "tier"), [("files", "memory"), ("records", "none")])  # the others: those of memory
def test_the_second_epoch_is_augmented_afresh(world, kind, tier):
    augmentation = Augmentation(AugmentConfig(rotation_range=90.0), seed=5)
    seen = {}
    for step, batch in enumerate(world.whole(kind, tier)):
        images, _ = augmentation(
            tf.constant(batch["image"]), batch["slot"], step=tf.constant(step), global_batch=_BATCH
        )
        for number, image in zip(batch["index"], images.numpy(), strict=True):
            seen.setdefault(int(number), []).append(image)
    twice = [views for views in seen.values() if len(views) > 1]
    assert len(twice) == len(world.sources[kind][0].train)
    assert not any(np.array_equal(views[0], views[1]) for views in twice)


@pytest.mark.parametrize("kind", ["files", pytest.param("records", marks=pytest.mark.slow)])
def test_a_few_images_can_be_taken_from_any_tier(world, kind):
    expected = world.open(kind, "device")[0].tensor.numpy()[[7, 0, 3]]
    for tier in ("memory", "disk", "none"):
        taken = world.open(kind, tier)[0].take(np.array([7, 0, 3]))
        np.testing.assert_array_equal(taken, expected, err_msg=tier)


def test_a_tier_without_room_falls_to_the_next_and_says_so(world, tmp_path, monkeypatch):
    source, config = world.sources["files"]
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
