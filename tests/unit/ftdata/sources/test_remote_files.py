"""Data sets on moto's server are those of the folder they were put there from, bit for bit."""

import functools
import http.server
import shutil
import threading

import numpy as np
import pytest

from ftdata.cache import tiers
from ftdata.config import DataConfig, PackConfig
from ftdata.errors import UserError
from ftdata.records.packing import pack
from ftdata.sources.source import open_source
from tests.tools import object_store

_SPLITS = ("train", "validation", "test")
pytestmark = pytest.mark.extra_remote


@pytest.fixture
def stored(server, photo_folder, tmp_path, monkeypatch):
    """A folder, and the address of what is put into a bucket from it."""
    for name, value in object_store.environment(server).items():
        monkeypatch.setenv(name, value)
    folder = shutil.copytree(photo_folder, tmp_path / "photos")
    shutil.copy(folder / "train/red/red-00-0000.jpg", folder / "train/red/ein Äpfel #1")
    (folder / "train/red/.hidden").write_text("x")
    (folder / "notes.txt").write_text("x")
    return folder, object_store.put(folder, server, "photos", tmp_path.name.replace("_", "-"))


def _config(tmp_path, **settings):
    return DataConfig(image_size=32, data_dir=str(tmp_path / "data"), remote_timeout_s=20, **settings)


def _same(one, two, config):
    assert one.class_names == two.class_names
    assert one.held_out == two.held_out
    images = [tiers.open_all(source, config, on_gpu=False) for source in (one, two)]
    for name in _SPLITS:
        here, there = one.splits[name], two.splits[name]
        assert here.names == there.names
        np.testing.assert_array_equal(here.labels, there.labels)
        np.testing.assert_array_equal(here.digests, there.digests)
        index = np.arange(len(here))
        np.testing.assert_array_equal(images[0][name].take(index), images[1][name].take(index))


@pytest.mark.parametrize(
    "settings", [{"cache": "memory"}, {"cache": "none", "remote_cache_gib": 0.0}, {"cache": "disk"}]
)
def test_a_folder(stored, tmp_path, settings, capsys):
    folder, url = stored
    config = _config(tmp_path, **settings)
    one = open_source(_config(tmp_path, image_dir=str(folder), **settings))
    two = open_source(_config(tmp_path, image_dir=f"{url}/", **settings))
    _same(one, two, config)
    assert ("has no room there" in " ".join(two.notes)) == ("remote_cache_gib" in settings)
    assert set(one.notes) <= set(two.notes)
    assert "76 images of" in capsys.readouterr().out
    open_source(_config(tmp_path, image_dir=url, **settings))
    assert "fetching" not in capsys.readouterr().out  # neither the cache nor the examination needs them again


def test_a_csv_with_its_images_beside_it_elsewhere_and_by_their_addresses(stored, tmp_path, server):
    folder, url = stored
    rows = [(path.relative_to(folder), path.parent.name) for path in sorted(folder.glob("*/*/*.jpg"))]
    tables = {"plain": [str(name) for name, _ in rows], "whole": [f"{url}/{name}" for name, _ in rows]}
    for kind, names in tables.items():
        lines = "".join(f"{name},{label}\n" for name, (_, label) in zip(names, rows, strict=True))
        (folder / f"{kind}.csv").write_text(f"file,label\n{lines}")
        key = f"{url.removeprefix('s3://photos/')}/{kind}.csv"
        object_store.client(server).put_object(Bucket="photos", Key=key, Body=(folder / f"{kind}.csv").read_bytes())
    one = open_source(_config(tmp_path, labels_csv=str(folder / "plain.csv")))
    for settings in (
        {"labels_csv": f"{url}/plain.csv"},
        {"labels_csv": f"{url}/whole.csv"},
        {"labels_csv": str(folder / "plain.csv"), "image_dir": url},
        {"labels_csv": f"{url}/plain.csv", "image_dir": str(folder)},
    ):
        _same(one, open_source(_config(tmp_path, **settings)), _config(tmp_path, cache="memory"))
    with pytest.raises(UserError, match=r"line 2 of labels_csv names a file that does not exist: s3://photos/"):
        open_source(_config(tmp_path, labels_csv=f"{url}/plain.csv", image_dir=f"{url}/train"))
    with pytest.raises(UserError, match="which lies in no folder of this machine: give the address"):
        open_source(_config(tmp_path, labels_csv=str(folder / "whole.csv")))


@pytest.mark.parametrize("kind", ["tfrecord", "webdataset", "parquet"])
def test_shards(stored, tmp_path, kind, server, capsys):
    folder, _ = stored
    output = tmp_path / "shards"
    pack(PackConfig(image_dir=str(folder), output=str(output), format=kind, shards=2))
    url = object_store.put(output, server, "photos", f"{tmp_path.name.replace('_', '-')}-shards")
    one = open_source(_config(tmp_path, records=str(output)))
    _same(one, open_source(_config(tmp_path, records=url)), _config(tmp_path, cache="memory"))
    capsys.readouterr()
    _same(one, open_source(_config(tmp_path, records=url)), _config(tmp_path, cache="none"))
    said = capsys.readouterr().out
    assert "fetching" not in said
    assert "indexing" not in said


def _taken(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.mark.parametrize("kind", ["tfrecord", "webdataset", "parquet"])
def test_shards_larger_than_the_bound(stored, tmp_path, kind, server):
    folder, _ = stored
    output = tmp_path / "shards"
    pack(PackConfig(image_dir=str(folder), output=str(output), format=kind, shards=3))
    url = object_store.put(output, server, "photos", f"{tmp_path.name.replace('_', '-')}-shards")
    sizes = sorted(path.stat().st_size for path in output.iterdir() if path.suffix != ".txt")
    one, small = open_source(_config(tmp_path, records=str(output))), tmp_path / "small"
    bound = (2.5 * sizes[-1] + 4096) / 2**30  # of which the largest is for one that is lent
    for cache in ("memory", "none"):
        two = open_source(_config(small, records=url, remote_cache_gib=bound))
        assert "are fetched one by one whenever they are read" in " ".join(two.notes)
        _same(one, two, _config(small, cache=cache))
        assert _taken(small / "data/remote") <= bound * 2**30
    with pytest.raises(UserError, match=r"must be on this machine as a whole while it is read") as refused:
        open_source(_config(tmp_path / "none", records=url, remote_cache_gib=sizes[-1] / 2 / 2**30))
    least = float(str(refused.value).partition("--remote_cache_gib=")[2].split()[0])
    assert len(open_source(_config(tmp_path / "none", records=url, remote_cache_gib=least)).train) == len(one.train)


def test_compressed_parquet_larger_than_the_bound_is_refused_with_the_bound_that_it_needs(stored, tmp_path, server):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    folder, _ = stored
    pack(PackConfig(image_dir=str(folder), output=str(tmp_path / "plain"), format="parquet", shards=3))
    (tmp_path / "shards").mkdir()
    for path in (tmp_path / "plain").glob("*.parquet"):
        pyarrow.write_table(pyarrow.read_table(path), tmp_path / "shards" / path.name, compression="snappy")
    url = object_store.put(tmp_path / "shards", server, "photos", f"{tmp_path.name.replace('_', '-')}-shards")
    largest = max(path.stat().st_size for path in (tmp_path / "shards").iterdir())
    with pytest.raises(UserError, match=rf"{url}/.*parquet has compressed pages.*: set --remote_cache_gib=") as refused:
        open_source(_config(tmp_path, records=url, remote_cache_gib=1.5 * largest / 2**30))
    enough = float(str(refused.value).partition("--remote_cache_gib=")[2].split()[0])
    two = open_source(_config(tmp_path, records=url, remote_cache_gib=enough))
    _same(open_source(_config(tmp_path, records=str(tmp_path / "shards"))), two, _config(tmp_path, cache="memory"))


def test_a_csv_larger_than_the_bound_is_refused_with_the_bound_that_it_needs(stored, tmp_path, server):
    folder, url = stored
    rows = "".join(f"{path.relative_to(folder)},{path.parent.name}\n" for path in sorted(folder.glob("*/*/*.jpg")))
    key = f"{url.removeprefix('s3://photos/')}/labels.csv"
    object_store.client(server).put_object(Bucket="photos", Key=key, Body=f"file,label\n{rows}".encode())
    with pytest.raises(UserError, match=rf"{url}/labels.csv must be on this machine as a whole") as refused:
        open_source(_config(tmp_path, labels_csv=f"{url}/labels.csv", remote_cache_gib=0.0))
    least = float(str(refused.value).partition("--remote_cache_gib=")[2].split()[0])
    two = open_source(_config(tmp_path, labels_csv=f"{url}/labels.csv", remote_cache_gib=least))
    assert sum(map(len, two.splits.values())) == 75


def test_a_changed_object_is_fetched_again_and_the_old_one_goes(stored, tmp_path, server):
    folder, url = stored
    before = open_source(_config(tmp_path, image_dir=url))
    key = f"{url.removeprefix('s3://photos/')}/train/red/red-00-0000.jpg"
    other = (folder / "train/blue/blue-00-0000.jpg").read_bytes()
    object_store.client(server).put_object(Bucket="photos", Key=key, Body=other)
    after = open_source(_config(tmp_path, image_dir=url))
    digests = [_digests(before), _digests(after)]
    assert [name for name in digests[0] if digests[0][name] != digests[1].get(name)] == ["train/red/red-00-0000.jpg"]
    assert len(list((tmp_path / "data/remote").glob("*/??/*"))) == 77


def _digests(source):
    images = source.train.joined(source.validation)
    return dict(zip(images.names, images.digests.tolist(), strict=True))


def test_http_takes_a_csv_and_no_folder(photo_folder, tmp_path):
    pytest.importorskip("aiohttp")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    folder = shutil.copytree(photo_folder, tmp_path / "photos")
    rows = "".join(f"{path.relative_to(folder)},{path.parent.name}\n" for path in sorted(folder.glob("*/*/*.jpg")))
    (folder / "labels.csv").write_text(f"file,label\n{rows}")
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{serving.server_address[1]}"
    try:
        one = open_source(_config(tmp_path, labels_csv=str(folder / "labels.csv")))
        two = open_source(_config(tmp_path, labels_csv=f"{url}/labels.csv"))
        _same(one, two, _config(tmp_path, cache="memory"))
        with pytest.raises(
            UserError, match="cannot be listed, as http has no folders: name its images in a --labels_csv"
        ):
            open_source(_config(tmp_path, image_dir=url))
        with pytest.raises(UserError, match=f"there is no file {url}/none.csv"):
            open_source(_config(tmp_path, labels_csv=f"{url}/none.csv"))
    finally:
        serving.shutdown()
        serving.server_close()
