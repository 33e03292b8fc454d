"""The mapped cache: by image, whole or absent, right when killed or shared, bounded."""

import dataclasses
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ftdata.cache import disk, filling, row_writer, tiers
from ftdata.config import DataConfig
from ftdata.sources.source import load_folder, open_source
from tests import ROOT

_FILL = """
import sys
from ftdata.cache import tiers
from ftdata.config import DataConfig
from ftdata.sources.source import load_folder
split = load_folder(sys.argv[1], validation_fraction=0.0).train
config = DataConfig(image_size=64, data_dir=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
tiers.open_split(split, config, tier="disk")
print("done", flush=True)
"""
_FILL_HALF = """
import sys
from ftdata.cache import disk, filling, tiers
from ftdata.config import DataConfig
from ftdata.sources.source import load_folder

def fill(store, split, config):
    def store_half(places, pictures):
        store(places, pictures)
        if places[-1] > len(split) // 2:
            print("half", flush=True)
            sys.stdin.readline()
    filling.decode_into(store_half, split, config)

split = load_folder(sys.argv[1], validation_fraction=0.0).train
config = DataConfig(image_size=64, data_dir=sys.argv[2])
disk.mapped(split, config, folder=tiers.folder(config), fill=fill)
"""


@pytest.fixture
def photos(photo_folder, tmp_path):
    """A copy of the photos that a test may change."""
    return Path(shutil.copytree(photo_folder, tmp_path / "photos"))


def _split(photos):
    return load_folder(str(photos), validation_fraction=0.0).train


def _open(photos, data_dir, **settings):
    return tiers.open_split(
        _split(photos), DataConfig(**{"image_size": 64, "data_dir": str(data_dir), **settings}), tier="disk"
    )


def _in_memory(split, config):
    """The images by themselves: `_decoded` does not count them."""
    images = np.zeros((len(split), config.image_size, config.image_size, 3), np.uint8)
    filling.decode_into(images.__setitem__, split, config)
    return images


def _all(pictures, count=60):
    return pictures.take(np.arange(count))


def _files(data_dir):
    disk.wait_until_kept()
    return sorted(path.name for path in (data_dir / "decoded").iterdir())


def _rows(data_dir):
    """How many images the only store holds."""
    disk.wait_until_kept()
    (index,) = (data_dir / "decoded").glob("*.index")
    (rows,) = (data_dir / "decoded").glob("*.rows")
    assert rows.stat().st_size % (index.stat().st_size // 16) == 0
    return index.stat().st_size // 16


def _decoded(monkeypatch):
    """A list that grows by the names of the images that are decoded."""
    names = []

    def fill(store, split, config):
        names.extend(split.names)
        filling.decode_into(store, split, config)

    monkeypatch.setattr(tiers, "decode_into", fill)
    return names


def test_the_second_run_reads_what_the_first_has_written(photos, tmp_path, monkeypatch):
    names = _decoded(monkeypatch)
    first = _open(photos, tmp_path)
    files = _files(tmp_path)
    again = _open(photos, tmp_path)
    assert _files(tmp_path) == files
    assert len(names) == 60
    np.testing.assert_array_equal(_all(first), _all(again))
    np.testing.assert_array_equal(_all(first), _in_memory(_split(photos), DataConfig(image_size=64)))


def test_splits_seeds_and_spellings_share_the_images(photos, tmp_path, monkeypatch):
    names = _decoded(monkeypatch)
    (tmp_path / "link").symlink_to(photos)
    monkeypatch.chdir(tmp_path)
    for split_seed, spelling in ((0, photos), (1, photos), (2, "link"), (3, "photos/")):
        config = DataConfig(
            image_dir=str(spelling),
            split_seed=split_seed,
            image_size=64,
            data_dir=str(tmp_path),
            validation_fraction=0.3,
        )
        source = open_source(config)
        for part in (source.train, source.validation, source.test):
            pictures = tiers.open_split(part, config, tier="disk")
            np.testing.assert_array_equal(_all(pictures, len(part)), _in_memory(part, config))
    assert len(names) == len(set(names)) == 75
    assert _rows(tmp_path) == 75


def test_added_renamed_and_doubled_images_cost_what_is_new(photos, tmp_path, monkeypatch):
    _open(photos, tmp_path)
    names = _decoded(monkeypatch)
    (photos / "train/red/red-00-0000.jpg").rename(photos / "train/red/another.jpg")
    shutil.copy(photos / "train/red/another.jpg", photos / "train/red/copy.jpg")
    shutil.copy(photos / "test/red/red-00-0000.jpg", photos / "train/red/new.jpg")
    shutil.copy(photos / "test/red/red-00-0000.jpg", photos / "train/red/new2.jpg")
    split = _split(photos)
    pictures = _all(_open(photos, tmp_path), len(split))
    np.testing.assert_array_equal(pictures, _in_memory(split, DataConfig(image_size=64)))
    assert names == ["train/red/new.jpg"]
    assert _rows(tmp_path) == 61


def test_the_key_follows_what_decides_the_pixels(photos):
    config = DataConfig(image_size=64)
    key = disk.key(_split(photos), config)
    assert disk.key(_split(photos).subset(np.arange(60) > 0), config) == key
    others = {
        disk.key(_split(photos), DataConfig(image_size=65)),
        disk.key(_split(photos), DataConfig(image_size=64, resize="crop")),
        disk.key(_split(photos), DataConfig(image_size=64, interpolation="nearest")),
    }
    assert len({key, *others}) == 4


def test_a_changed_image_is_decoded_again(photos, tmp_path):
    before = _all(_open(photos, tmp_path))
    victim = photos / _split(photos).names[3]
    shutil.copy(photos / _split(photos).names[50], victim)
    after = _all(_open(photos, tmp_path))
    assert [k for k in range(60) if not np.array_equal(before[k], after[k])] == [3]


def _filler(photos, data_dir, *, script=_FILL, says="ready"):
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(photos), str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == f"{says}\n"
    return process


@pytest.mark.slow  # of the store alone: test_row_store
def test_killed_while_filling_the_next_run_is_right(photos, tmp_path):
    process = _filler(photos, tmp_path, script=_FILL_HALF, says="half")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert next((tmp_path / "decoded").glob("*.rows")).stat().st_size
    assert not next((tmp_path / "decoded").glob("*.index")).stat().st_size
    expected = _in_memory(_split(photos), DataConfig(image_size=64))
    np.testing.assert_array_equal(_all(_open(photos, tmp_path)), expected)
    assert _rows(tmp_path) == 60


@pytest.mark.slow
def test_two_runs_that_start_together_are_both_right(photos, tmp_path):
    both = [_filler(photos, tmp_path) for _ in range(2)]
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in both]
    assert all(output.endswith("done\n") for output in outputs)
    assert _rows(tmp_path) == 60
    expected = _in_memory(_split(photos), DataConfig(image_size=64))
    np.testing.assert_array_equal(_all(_open(photos, tmp_path)), expected)


def test_a_failure_while_filling_leaves_nothing_behind(photos, tmp_path):
    split = _split(photos)
    name = split.names[-1]
    (photos / name).write_bytes(b"\xff\xd8\xff")  # after it was examined
    with pytest.raises(ValueError, match=name):
        tiers.open_split(split, DataConfig(image_size=64, data_dir=str(tmp_path)), tier="disk")
    assert not _files(tmp_path)


def test_an_empty_split_needs_no_file(photos, tmp_path):
    nothing = _split(photos).subset(np.zeros(60, bool))
    config = dataclasses.replace(DataConfig(image_size=64), data_dir=str(tmp_path))
    assert tiers.open_split(nothing, config, tier="disk").take(np.arange(0)).shape == (0, 64, 64, 3)


def test_a_failure_while_adding_leaves_what_was_there(photos, tmp_path):
    expected = _all(_open(photos, tmp_path))
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(photos / "test/red/red-00-0000.jpg", photos / "train/red" / name)
    split = _split(photos)
    (photos / "train/red/a.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ValueError, match=r"train/red/a\.jpg"):
        tiers.open_split(split, DataConfig(image_size=64, data_dir=str(tmp_path)), tier="disk")
    assert _rows(tmp_path) == 60
    (photos / "train/red/a.jpg").unlink()
    (photos / "train/red/b.jpg").unlink()
    np.testing.assert_array_equal(_all(_open(photos, tmp_path)), expected)


def test_several_parts_are_kept_in_the_order_they_were_written(photos, tmp_path):
    split = _split(photos)
    config = DataConfig(image_size=64, data_dir=str(tmp_path))
    parts = [split.subset(np.arange(60) % 3 == k) for k in range(3)]
    opened = [tiers.open_split(part, config, tier="disk") for part in parts]  # at once, while others are kept
    assert _rows(tmp_path) == 60
    for part, pictures in zip(parts, opened, strict=True):
        np.testing.assert_array_equal(_all(pictures, 20), _in_memory(part, config))
    assert not row_writer._writing
