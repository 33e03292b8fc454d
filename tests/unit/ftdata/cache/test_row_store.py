"""Rows on disk by digest: shared, appended, whole or absent, bounded. No TensorFlow here."""

import gc
import hashlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from ftdata.cache import row_store, row_writer
from tests import ROOT

_ROW = 5 * 7 * 4  # bytes


def digests(numbers):
    whole = b"".join(hashlib.blake2b(str(number).encode(), digest_size=16).digest() for number in numbers)
    return np.frombuffer(whole, np.uint64).reshape(-1, 2)


def opened(path, numbers, *, made=None, **settings):
    """Rows that hold their numbers; `made` gets the numbers of those that were not there."""

    def make(missing, put):
        if made is not None:
            made.extend(int(numbers[place]) for place in missing)
        for place in np.argsort(missing)[::-1]:  # in any order
            put(np.array([place]), np.full((1, 5, 7), numbers[missing[place]], np.float32))

    rows, at = row_store.open_rows(path, digests(numbers), shape=(5, 7), dtype=np.float32, make=make, **settings)
    np.testing.assert_array_equal(rows[at], np.broadcast_to(np.reshape(numbers, (-1, 1, 1)), (len(numbers), 5, 7)))
    return rows


@pytest.fixture
def path(tmp_path):
    yield tmp_path / "stores" / "a"
    row_writer.wait_until_kept()
    assert not row_writer._writing


def files(path):
    row_writer.wait_until_kept()
    return {file.name: file.stat().st_size for file in path.parent.iterdir()}


def test_only_what_is_missing_is_made_and_each_once(path):
    made = []
    first = opened(path, [0, 1, 2, 3], made=made)
    opened(path, [2, 3, 4, 5], made=made)
    opened(path, [5, 7, 7, 0, 6, 7], made=made)
    assert made == [0, 1, 2, 3, 4, 5, 7, 6]
    assert files(path) == {"a.index": 8 * 16, "a.rows": 8 * _ROW}
    opened(path, [6, 7, 0], made=made)
    assert len(made) == 8
    np.testing.assert_array_equal(first[:, 0, 0], [0, 1, 2, 3])


def test_what_is_no_whole_row_is_written_over(path):
    opened(path, [0, 1, 2])
    files(path)
    with path.with_suffix(".index").open("ab") as index:
        index.write(b"half a di")
    with path.with_suffix(".rows").open("ab") as rows:
        rows.write(bytes(1000))
    made = []
    opened(path, [3, 2, 4], made=made)
    assert made == [3, 4]
    assert files(path)["a.index"] == 5 * 16
    opened(path, range(5), made=made)
    assert made == [3, 4]


def test_names_without_rows_count_for_nothing(path):
    opened(path, [0, 1, 2])
    files(path)
    os.truncate(path.with_suffix(".rows"), 2 * _ROW + 5)
    made = []
    opened(path, [0, 1, 2], made=made)
    assert made == [2]


def test_a_failure_leaves_what_was_there_and_else_nothing(path):
    def fail(missing, put):
        put(np.array([0]), np.zeros((1, 5, 7), np.float32))
        raise ValueError("no picture")

    def failing():
        with pytest.raises(ValueError, match="no picture"):
            row_store.open_rows(path, digests([8, 9]), shape=(5, 7), dtype=np.float32, make=fail)

    failing()
    assert files(path) == {}
    opened(path, [0, 1])
    failing()  # perhaps while the others are being kept
    assert files(path) == {"a.index": 2 * 16, "a.rows": 2 * _ROW}
    failing()
    opened(path, [1, 0])


def test_a_disk_that_cannot_keep_it_is_no_loss(path, monkeypatch, capsys):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    rows = opened(path, [0, 1])
    assert files(path) == {}  # nobody can write over what is read here
    monkeypatch.undo()
    assert "cannot keep it: No space left on device" in capsys.readouterr().out
    opened(path, [5, 6, 7])
    np.testing.assert_array_equal(rows[:, 0, 0], [0, 1])


_OTHER = """
import sys
from pathlib import Path
from tests.unit.ftdata.cache.test_row_store import *
path, numbers, how = Path(sys.argv[1]), eval(sys.argv[2]), sys.argv[3]
def make(missing, put):
    for place in range(len(missing)):
        put(np.array([place]), np.full((1, 5, 7), numbers[missing[place]], np.float32))
        if how == "half" and place == len(missing) // 2:
            print("there", flush=True)
            sys.stdin.readline()
if how == "both":
    print("there", flush=True)
    sys.stdin.readline()
rows, at = row_store.open_rows(path, digests(numbers), shape=(5, 7), dtype=np.float32, make=make)
assert (rows[at][:, 0, 0] == numbers).all()
if how == "hold":
    row_writer.wait_until_kept()
    print("there", flush=True)
    sys.stdin.readline()
"""


def other(path, numbers, how):
    """Another process, when it has come as far as `how` says."""
    command = [sys.executable, "-c", _OTHER, str(path), repr(numbers), how]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "there\n"
    return process


def test_killed_half_way_the_next_is_right(path):
    opened(path, [0, 1, 2])
    files(path)
    process = other(path, list(range(40)), "half")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    made = []
    opened(path, list(range(60))[::-1], made=made)
    assert sorted(made) == list(range(3, 60))
    assert files(path) == {"a.index": 60 * 16, "a.rows": 60 * _ROW}


def test_two_at_once_make_each_row_once(path):
    both = [other(path, numbers, "both") for numbers in (list(range(3000)), list(range(4000))[::-1])]
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        process.communicate()
        assert process.returncode == 0
    assert files(path) == {"a.index": 4000 * 16, "a.rows": 4000 * _ROW}
    opened(path, range(4000), made=(made := []))
    assert not made


def limited(rows):
    return {"limit_gib": rows * (_ROW + 16) / 2**30}


def test_what_was_not_used_for_the_longest_goes(path, capsys):
    paths = [path.with_name(name) for name in "abcd"]
    path.parent.mkdir()
    (path.parent / "0123.uint8").write_bytes(bytes(2**20))  # of an earlier version
    (path.parent / "0123.lock").touch()
    for number, one in enumerate(paths[:3]):
        opened(one, [0, 1, 2])
        files(path)
        os.utime(one.with_suffix(".index"), (0, 1e9 + number))
    gc.collect()
    assert "cache: freed 1 MiB" in capsys.readouterr().out
    assert len(files(path)) == 6
    opened(paths[0], [0])  # used again, so b is the oldest
    gc.collect()
    opened(paths[3], [0, 1, 2], **limited(9))
    assert set(files(path)) == {f"{name}.{end}" for name in "acd" for end in ("index", "rows")}
    assert "not used since 2001-09-09" in capsys.readouterr().out
    opened(paths[3], [3, 4, 5, 6, 7], **limited(8))
    assert set(files(path)) == {"d.index", "d.rows"}
    with pytest.raises(OSError, match="disk_cache_gib=.*: raise it, or choose another --cache"):
        opened(paths[3], range(20), **limited(8))
    opened(paths[3], [0, 1, 2, 3, 4, 5, 6, 7], **limited(1))  # nothing is missing


def test_what_a_living_process_uses_stays(path):
    second = path.with_name("b")
    held = opened(path, [0, 1, 2])
    files(path)
    with pytest.raises(OSError, match="disk_cache_gib"):
        opened(second, [0, 1, 2], **limited(3))
    np.testing.assert_array_equal(held[:, 0, 0], [0, 1, 2])
    del held
    gc.collect()
    opened(second, [0, 1, 2], **limited(3))
    assert set(files(path)) == {"b.index", "b.rows"}
    gc.collect()
    process = other(second, [0, 1, 2], "hold")
    with pytest.raises(OSError, match="disk_cache_gib"):
        opened(path, [0, 1, 2], **limited(3))
    process.kill()
    process.communicate()
    opened(path, [0, 1, 2], **limited(3))
    assert set(files(path)) == {"a.index", "a.rows"}


def test_a_million_are_found_soon(path):
    index = np.random.default_rng(0).integers(0, 2**63, (1_000_000, 2), np.uint64)
    order = np.random.default_rng(1).permutation(len(index))
    np.testing.assert_array_equal(row_store._find(index, index[order]), order)
    assert (row_store._find(index, index[order] + np.array([0, 1], np.uint64)) == -1).all()
