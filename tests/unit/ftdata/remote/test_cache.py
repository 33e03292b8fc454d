import subprocess
import sys

import pytest

from ftdata.errors import UserError
from ftdata.remote.cache import Cache
from ftdata.remote.remote_file import RemoteFile

_KIB = 2**-20  # in GiB


def _file(name, size=1024, version='"1"'):
    return RemoteFile(f"s3://bucket/{name}", size, version)


def test_a_file_is_kept_under_its_address_size_and_version(tmp_path):
    cache = Cache(tmp_path, "s3://bucket")
    assert cache.get(_file("a")) is None
    assert cache.put(_file("a"), b"x" * 1024)
    assert cache.get(_file("a")) == b"x" * 1024
    assert Cache(tmp_path, "s3://bucket").get(_file("a")) == b"x" * 1024
    assert cache.get(_file("a", version='"2"')) is None
    assert cache.get(_file("b")) is None


def test_half_a_file_is_none(tmp_path):
    cache = Cache(tmp_path, "s3://bucket")
    cache.put(_file("a"), b"x" * 1024)
    cache.path(_file("a")).write_bytes(b"x" * 512)
    assert cache.get(_file("a")) is None
    assert not cache.has(_file("a"))


def test_what_is_kept_stays_when_the_bound_is_reached(tmp_path):
    cache = Cache(tmp_path, "s3://bucket", limit_gib=10.5 * _KIB)
    kept = [cache.put(_file(str(k)), b"x" * 1024) for k in range(20)]
    assert sum(kept) == 10
    assert kept[:9] == [True] * 9
    assert [cache.has(_file(str(k))) for k in range(20)] == kept
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= cache.limit


def test_a_data_set_that_nobody_uses_makes_room_and_one_in_use_does_not(tmp_path, capsys):
    script = (
        "import sys; from pathlib import Path; from ftdata.remote.cache import Cache\n"
        "cache = Cache(Path(sys.argv[1]), 's3://used'); print('ready', flush=True); sys.stdin.read()"
    )
    user = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with user:
        assert user.stdout.readline() == "ready\n"
        for url in ("s3://idle", "s3://used"):
            other = Cache(tmp_path, url, limit_gib=100 * _KIB)
            assert all(other.put(_file(f"{url}{k}"), b"x" * 1024) for k in range(4))
            other.close()
        cache = Cache(tmp_path, "s3://mine", limit_gib=10.5 * _KIB)
        assert sum(cache.put(_file(f"m{k}"), b"x" * 1024) for k in range(12)) == 6
        user.stdin.close()
    assert "freed" in capsys.readouterr().out
    assert Cache(tmp_path, "s3://used").has(_file("s3://used0"))
    assert not Cache(tmp_path, "s3://idle").has(_file("s3://idle0"))


def test_other_versions_and_half_written_files_are_removed(tmp_path):
    cache = Cache(tmp_path, "s3://bucket")
    for version in ('"1"', '"2"'):
        cache.put(_file("a", version=version), b"x" * 1024)
    half = cache.path(_file("a")).with_name(".tmp-0123abcd-half")
    half.write_bytes(b"x")
    cache.keep_only([_file("a", version='"2"')])
    assert not cache.has(_file("a"))
    assert cache.has(_file("a", version='"2"'))
    assert not half.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written .*name another --data_dir"):
        Cache(tmp_path / "file", "s3://bucket")


def test_nothing_is_kept_under_a_bound_of_nothing(tmp_path):
    cache = Cache(tmp_path, "s3://bucket", limit_gib=0.0)
    assert not cache.put(_file("a"), b"x" * 1024)


def test_what_another_listing_has_brought_stays_until_room_is_needed(tmp_path):
    cache = Cache(tmp_path, "s3://bucket", limit_gib=10.5 * _KIB)
    for k in range(8):
        assert cache.put(_file(str(k)), b"x" * 1024)
    cache.keep_only([_file(str(k)) for k in range(4)])
    assert all(cache.has(_file(str(k))) for k in range(8))
    assert cache.room(8 * 1024) >= 6 * 1024
    assert [cache.has(_file(str(k))) for k in range(8)] == [True] * 4 + [False] * 4


def test_a_folder_in_use_is_never_open_to_removal_not_even_while_its_user_looks_for_others(tmp_path):
    used = Cache(tmp_path, "s3://used")
    used.put(_file("a"), b"x" * 1024)
    with used._alone() as alone:
        assert alone
        other = Cache(tmp_path, "s3://other", limit_gib=_KIB / 2)
        assert other.room(1024) == 0
    assert used.has(_file("a"))
    second = Cache(tmp_path, "s3://used")
    with used._alone() as alone:
        assert not alone
    second.close()
    used.close()
    assert other.room(1024) > 0
    assert not used.folder.exists()


def test_a_part_of_a_file(tmp_path):
    cache = Cache(tmp_path, "s3://bucket")
    assert cache.part(_file("a"), 10, 20) is None
    cache.put(_file("a"), bytes(range(256)) * 4)
    assert cache.part(_file("a"), 250, 260) == (bytes(range(256)) * 2)[250:260]
