"""The mapped cache: keyed by content, whole or absent, right when killed or shared."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ftdata import cache, disk_cache
from ftdata.config import DataConfig
from ftdata.source import load_folder

_ROOT = Path(__file__).parent.parent.parent
_FILL = """
import sys
from ftdata import cache
from ftdata.config import DataConfig
from ftdata.source import load_folder
split = load_folder(sys.argv[1], validation_fraction=0.0).train
config = DataConfig(image_size=64, data_dir=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
cache.open_pictures(split, config, tier="disk")
print("done", flush=True)
"""
_FILL_HALF = """
import sys
from ftdata import cache, disk_cache, filling
from ftdata.config import DataConfig
from ftdata.source import load_folder

def fill(store, split, config):
    def store_half(places, pictures):
        store(places, pictures)
        if places[-1] > len(split) // 2:
            print("half", flush=True)
            sys.stdin.readline()
    filling.fill(store_half, split, config)

split = load_folder(sys.argv[1], validation_fraction=0.0).train
config = DataConfig(image_size=64, data_dir=sys.argv[2])
disk_cache.mapped(split, config, folder=cache.folder(config), fill=fill)
"""


@pytest.fixture
def photos(photo_folder, tmp_path):
    """A copy of the photos that a test may change."""
    return Path(shutil.copytree(photo_folder, tmp_path / "photos"))


def _split(photos):
    return load_folder(str(photos), validation_fraction=0.0).train


def _open(photos, data_dir, **settings):
    return cache.open_pictures(
        _split(photos), DataConfig(**{"image_size": 64, "data_dir": str(data_dir), **settings}), tier="disk"
    )


def _files(data_dir):
    disk_cache.wait_until_kept()
    return sorted(path.name for path in (data_dir / "decoded").glob("*.uint8"))


def test_the_second_run_reads_what_the_first_has_written(photos, tmp_path):
    first = _open(photos, tmp_path)
    files = _files(tmp_path)
    written = (tmp_path / "decoded" / files[0]).stat()
    again = _open(photos, tmp_path)
    assert _files(tmp_path) == files
    assert (tmp_path / "decoded" / files[0]).stat().st_mtime_ns == written.st_mtime_ns
    np.testing.assert_array_equal(first.tensor, again.tensor)


def test_the_key_follows_what_decides_the_pixels(photos):
    config = DataConfig(image_size=64)
    key = disk_cache.key(_split(photos), config)
    assert disk_cache.key(_split(photos), config) == key
    others = {
        "size": disk_cache.key(_split(photos), DataConfig(image_size=65)),
        "resize": disk_cache.key(_split(photos), DataConfig(image_size=64, resize="crop")),
        "interpolation": disk_cache.key(_split(photos), DataConfig(image_size=64, interpolation="nearest")),
        "subset": disk_cache.key(_split(photos).subset(np.arange(60) > 0), config),
    }
    victim = next((photos / "train/red").iterdir())
    os.utime(victim, ns=(1, 1))
    others["time"] = disk_cache.key(_split(photos), config)
    victim.rename(victim.with_name("renamed.jpg"))
    others["name"] = disk_cache.key(_split(photos), config)
    assert len({key, *others.values()}) == 1 + len(others)


def test_a_changed_picture_is_decoded_again(photos, tmp_path):
    before = _open(photos, tmp_path).tensor.numpy()
    victim = photos / _split(photos).names[3]
    shutil.copy(photos / _split(photos).names[50], victim)
    after = _open(photos, tmp_path).tensor.numpy()
    assert [k for k in range(60) if not np.array_equal(before[k], after[k])] == [3]


def _filler(photos, data_dir, *, script=_FILL, says="ready"):
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(photos), str(data_dir)],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == f"{says}\n"
    return process


def test_killed_while_filling_the_next_run_is_right(photos, tmp_path):
    folder = tmp_path / "decoded"
    process = _filler(photos, tmp_path, script=_FILL_HALF, says="half")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list(folder.glob("*.tmp"))
    assert not _files(tmp_path)
    expected = cache.in_memory(_split(photos), DataConfig(image_size=64))
    np.testing.assert_array_equal(_open(photos, tmp_path).tensor, expected)
    assert len(_files(tmp_path)) == 1
    assert not list(folder.glob("*.tmp"))  # what the dead process left is cleared away


def test_two_runs_that_start_together_are_both_right(photos, tmp_path):
    both = [_filler(photos, tmp_path) for _ in range(2)]
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in both]
    assert all(output.endswith("done\n") for output in outputs)
    assert len(_files(tmp_path)) == 1
    expected = cache.in_memory(_split(photos), DataConfig(image_size=64))
    np.testing.assert_array_equal(_open(photos, tmp_path).tensor, expected)


def test_a_failure_while_filling_leaves_nothing_behind(photos, tmp_path):
    split = _split(photos)
    name = split.names[-1]
    (photos / name).write_bytes(b"\xff\xd8\xff")  # after it was examined
    with pytest.raises(ValueError, match=name):
        cache.open_pictures(split, DataConfig(image_size=64, data_dir=str(tmp_path)), tier="disk")
    assert [path.suffix for path in (tmp_path / "decoded").iterdir()] == [".lock"]


def test_an_empty_split_needs_no_file(photos, tmp_path):
    nothing = _split(photos).subset(np.zeros(60, bool))
    config = dataclasses.replace(DataConfig(image_size=64), data_dir=str(tmp_path))
    assert cache.open_pictures(nothing, config, tier="disk").tensor.shape == (0, 64, 64, 3)
