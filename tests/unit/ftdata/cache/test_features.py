"""Features on disk: by image and view, whatever the split and the number of views, and kept shard by shard."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from ftdata.cache import features, filling, row_store
from ftdata.cache.features import FeatureStore, Layout
from ftdata.cache.row_writer import wait_until_kept
from tests import ROOT

_KILLED = """
import os, signal, sys
from pathlib import Path
from ftdata.cache import row_writer
from tests.unit.ftdata.cache import test_features as t

def make(places, put):
    if 500 in places:
        row_writer.wait_until_kept()
        os.kill(os.getpid(), signal.SIGKILL)
    t.rows_made(places, put)

t.opened(Path(sys.argv[1]), t.digests(300), 2, make)
"""


def digests(count, first=0):
    """Of images of different contents."""
    return np.random.default_rng(0).integers(0, 2**64, (first + count, 2), np.uint64)[first:]


def rows_made(places, put):
    """A row tells its place."""
    put(np.arange(len(places)), np.stack([places, places + 0.5], axis=1).astype(np.float32))


def opened(path, images, views, make, **settings):
    """Views of images in a store of two float32."""
    return features.open_views(path, images, Layout(views, (2,), tf.float32), seed=7, make=make, **settings)


def _recorder():
    made = []

    def make(places, put):
        made.extend(places.tolist())
        rows_made(places, put)

    return made, make


def _read(views, index, number):
    index = np.asarray(index)
    return views.in_pass(tf.constant(index), tf.fill(index.shape, tf.constant(number, tf.int64))).numpy()


def test_every_pass_shows_one_view_of_each_image_and_in_turn_all(tmp_path):
    made, make = _recorder()
    views, count = opened(tmp_path / "store", digests(50), 4, make)
    assert (views.tier, count, sorted(made)) == ("memory", 200, list(range(200)))
    shown = np.stack([_read(views, range(50), number)[:, 0] for number in range(8)], axis=1)
    np.testing.assert_array_equal(shown // 4, np.repeat(np.arange(50)[:, None], 8, axis=1))
    np.testing.assert_array_equal(np.sort(shown[:, :4] % 4, axis=1), np.tile(np.arange(4), (50, 1)))
    np.testing.assert_array_equal(shown[:, 4:], shown[:, :4])
    assert len({tuple(order) for order in views.order}) > 10  # of 24


def test_fewer_or_more_views_another_split_and_further_images_take_what_is_there(tmp_path):
    path = tmp_path / "store"
    opened(path, digests(50), 2, rows_made)
    made, make = _recorder()
    views, count = opened(path, digests(60)[::-1], 3, make)  # image k of before is 59 - k now
    expected = [59 * 3 - 3 * k + 2 for k in range(50)] + [3 * k + view for k in range(10) for view in range(3)]
    assert sorted(made) == sorted(expected)
    assert count == len(expected)
    made.clear()
    views, count = opened(path, digests(10, first=5), 1, make)
    assert (made, count) == ([], 0)
    np.testing.assert_array_equal(_read(views, range(10), 0)[:, 0], np.arange(5, 15) * 2)  # as the first run made them


def test_the_order_of_views_follows_the_content_alone():
    order = features.view_order(digests(50), 5, seed=7)
    np.testing.assert_array_equal(features.view_order(digests(10, first=20), 5, seed=7), order[20:30])
    assert not np.array_equal(features.view_order(digests(50), 5, seed=8), order)


def test_parts_of_the_images_are_filled_apart_and_what_is_left_by_whoever_reads(tmp_path):
    images, layout, parts = digests(300), Layout(2, (2,), tf.float32), []
    for number in (2, 0):
        made, make = _recorder()
        features.fill_part(tmp_path / "store", images, layout, part=(number, 3), make=make)
        assert sorted(made) == [row for row in range(600) if row // 2 % 3 == number]
        parts += made
    made, make = _recorder()
    views, count = opened(tmp_path / "store", images, 2, make)
    assert count == len(made) == 200
    assert sorted(parts + made) == list(range(600))
    expected, _ = opened(tmp_path / "other", images, 2, _recorder()[1])
    for number in (0, 1):
        np.testing.assert_array_equal(_read(views, range(300), number), _read(expected, range(300), number))


@pytest.mark.slow  # an error at the same place: below
def test_a_killed_filling_is_resumed_behind_its_last_shard(tmp_path):
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "store")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    made, make = _recorder()
    views, count = opened(tmp_path / "store", digests(300), 2, make)
    assert count == 600 - 256
    assert made == list(range(256, 600))
    np.testing.assert_array_equal(views.read_at(tf.range(600)).numpy()[:, 0], np.arange(600))


def test_no_room_is_known_before_anything_is_made(tmp_path):
    made, make = _recorder()
    with pytest.raises(OSError, match="disk_cache_gib=1e-06"):
        opened(tmp_path / "store", digests(300), 2, make, limit_gib=1e-6)
    assert made == []


def test_an_error_in_the_middle_keeps_the_shards_before(tmp_path):
    def fail_late(places, put):
        if 500 in places:
            raise OSError("no space")
        rows_made(places, put)

    with pytest.raises(OSError, match="no space"):
        opened(tmp_path / "store", digests(300), 2, fail_late)
    wait_until_kept()
    assert opened(tmp_path / "store", digests(300), 2, rows_made)[1] == 600 - 256


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16, tf.float32])
def test_features_of_any_type_are_read_as_they_were_stored_in_memory_and_mapped(tmp_path, dtype):
    layout = Layout(1, (3, 2), dtype)
    values = np.random.default_rng(3).normal(size=(40, 3, 2)).astype(dtype.as_numpy_dtype)

    def make(places, put):
        put(np.arange(len(places)), values[places].view(layout.stored))

    stored, places = row_store.open_rows(
        tmp_path / "store", digests(40), shape=layout.shape, dtype=layout.stored, make=make
    )
    mapped = features.reader(stored, dtype)(tf.constant(places)[5:25])
    array = filling.aligned((40, 3, 2), layout.stored)
    array[:] = values.view(layout.stored)
    held = features.in_memory(array, dtype)
    assert held.content == "feature"
    for found in (mapped, held.read_at(tf.range(5, 25))):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.numpy(), values[5:25])


def test_a_store_is_named_by_what_its_features_are_made_with(tmp_path):
    store = FeatureStore(tmp_path, "images", None)
    names = {
        store.path(["network", 0]),
        store.path(["network", 1]),
        store.path(["other", 0]),
        FeatureStore(tmp_path, "others", None).path(["network", 0]),
    }
    assert len(names) == 4
    assert store.path(["network", 0]) in names
