"""Whole files of a store on this machine, within a bound; several processes, one killed in the middle."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ftdata.errors import UserError
from ftdata.remote.cache import Cache
from ftdata.remote.copies import Copies
from ftdata.remote.store import Store
from tests import ROOT
from tests.tools import faulty_proxy, object_store

_MIB = 2**20
pytestmark = pytest.mark.extra_remote


@pytest.fixture
def stored(server, tmp_path, monkeypatch):
    """Contents by name, their address, and a proxy of the server."""
    draw = random.Random(1)
    contents = {f"s-{number:02}.tar": draw.randbytes(_MIB) for number in range(6)}
    (folder := tmp_path / "folder").mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    url = object_store.put(folder, server, "copies", tmp_path.name.replace("_", "-"))
    with faulty_proxy.between(server) as proxy:
        for name, value in object_store.environment(proxy.address).items():
            monkeypatch.setenv(name, value)
        yield contents, url, proxy


def _copies(url, root, limit_mib):
    store = Store(url, timeout_s=5)
    return Copies(store.find(url), store, Cache(root, url, limit_gib=limit_mib / 1024))


def _taken(root):
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.mark.parametrize(("limit", "kept"), [(7.0, 6), (3.5, 2), (1.5, 0)])
def test_as_many_are_kept_as_fit_beside_the_largest_which_is_lent(stored, tmp_path, limit, kept):
    contents, url, _ = stored
    root = tmp_path / "cache"
    for _ in range(2):  # the second time nothing changes
        copies = _copies(url, root, limit)
        assert len(copies.fetch()) == 6 - kept
        for name, content in contents.items():
            with copies.lent(name) as path:
                assert Path(path).read_bytes() == content
                assert _taken(root) <= limit * _MIB
            assert copies.part(name, 1000, 1500) == content[1000:1500]
        assert kept * _MIB <= _taken(root) < (kept + 0.1) * _MIB
        assert not list(root.glob("*/lent-*"))
        copies.cache.close()


def test_what_is_larger_than_the_bound_is_refused_with_the_bound_that_it_needs(stored, tmp_path):
    _, url, _ = stored
    with pytest.raises(UserError, match=r"has room for 0.\d+ MiB of its 1 MiB: set --remote_cache_gib=") as refused:
        _copies(url, tmp_path / "cache", 0.9).fetch()
    bound = float(str(refused.value).partition("--remote_cache_gib=")[2].split()[0])
    assert len(_copies(url, tmp_path / "cache", bound * 1024).fetch()) == 6


def test_parts_are_read_over_http_where_the_server_gives_them(stored, server):
    pytest.importorskip("aiohttp")
    contents, url, _ = stored
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    object_store.client(server).put_object_acl(Bucket=bucket, Key=f"{prefix}/s-03.tar", ACL="public-read")
    place = f"{server}/{bucket}/{prefix}/s-03.tar"
    store = Store(place, timeout_s=5)
    assert store.content(store.describe(place), 1000, 1500) == contents["s-03.tar"][1000:1500]


def _reader(kind, url, root):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.tools.remote_reader", kind, url, str(root)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def _begin(*readers):
    for reader in readers:
        while reader.stdout.readline() != "ready\n":
            assert reader.poll() is None
    for reader in readers:
        reader.stdin.write("\n")
        reader.stdin.flush()


def _digest(reader):
    said, _ = reader.communicate(timeout=120)
    assert reader.returncode == 0
    return said.split()[-1]


def _asked(proxy):
    """How many requests for contents there were."""
    return sum(count for request, count in proxy.times.items() if request.path.partition("?")[0].endswith(".tar"))


@pytest.mark.parametrize("kind", ["files", "shards"])
def test_two_processes_share_a_cache(kind, stored, tmp_path):
    contents, url, proxy = stored
    readers = [_reader(kind, url, tmp_path / "cache") for _ in range(2)]
    _begin(*readers)
    expected = hashlib.sha256(b"".join(contents.values())).hexdigest()
    assert [_digest(reader) for reader in readers] == [expected] * 2
    assert _asked(proxy) <= (6 if kind == "shards" else 12)  # whole files are fetched by one, images perhaps by both
    _complete(contents, url, tmp_path / "cache")


@pytest.mark.parametrize("kind", ["files", "shards"])
def test_what_a_killed_process_has_fetched_another_takes_over(kind, stored, tmp_path):
    contents, url, proxy = stored
    readers, begun = [_reader(kind, url, tmp_path / "cache") for _ in range(2)], threading.Event()

    def slowly(request, times):
        del times
        if request.path.partition("?")[0].endswith(".tar"):
            time.sleep(0.3)  # one after the other
            begun.set()

    proxy.rule = slowly
    _begin(readers[0])
    assert begun.wait(60)
    _begin(readers[1])
    time.sleep(0.4)
    assert readers[0].poll() is None
    readers[0].send_signal(signal.SIGKILL)
    said, _ = readers[0].communicate()
    assert "waiting" not in said
    assert _digest(readers[1]) == hashlib.sha256(b"".join(contents.values())).hexdigest()
    assert _asked(proxy) <= 12
    proxy.rule = faulty_proxy.of_objects("500", tries=99, ending=".tar")
    _complete(contents, url, tmp_path / "cache")
    assert not proxy.faults["500"]  # nothing is asked for


def _complete(contents, url, root):
    """Everything is kept, and nothing half written once nobody else is there."""
    copies = _copies(url, root, 100)
    assert copies.fetch() == ()
    assert {name: copies.part(name, 0, _MIB) for name in contents} == contents
    copies.cache.keep_only(copies.files.values())
    assert sorted(path.name for path in root.glob("*/??/*")) == sorted(file.key for file in copies.files.values())
    copies.cache.close()
