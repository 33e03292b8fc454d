"""Real clients on real servers of the loopback: moto's S3, an emulator of GCS, and a server of files over HTTP."""

import concurrent.futures
import functools
import http.server
import importlib.util
import os
import shutil
import threading
import time

import pytest

from ftdata.errors import UserError
from ftdata.remote import failures, patterns
from ftdata.remote.store import EXTRAS, Store, under
from tests.tools import faulty_proxy, google_store, object_store
from tests.tools.faulty_proxy import of_objects

_URL = "s3://photos/of/three"


@pytest.fixture
def stored(server, photo_folder, tmp_path):
    """A folder, what is put into a bucket from it, and a proxy of the bucket's server."""
    folder = shutil.copytree(photo_folder / "test", tmp_path / "photos")
    shutil.copy(folder / "red/red-00-0000.jpg", folder / "red/ein Äpfel #1?.jpg")
    store = object_store.client(server)
    if "photos" in [bucket["Name"] for bucket in store.list_buckets()["Buckets"]]:
        for entry in store.list_objects_v2(Bucket="photos").get("Contents", []):
            store.delete_object(Bucket="photos", Key=entry["Key"])
    object_store.put(folder, server, "photos", "of/three")
    store.put_object(Bucket="photos", Key="of/three/red/", Body=b"")
    store.put_object(Bucket="photos", Key="of/three-more/red/x.jpg", Body=b"x")
    with faulty_proxy.between(server) as proxy:
        yield folder, store, proxy


@pytest.fixture
def environment(stored, monkeypatch):
    _, _, proxy = stored
    for name, value in object_store.environment(proxy.address).items():
        monkeypatch.setenv(name, value)


def _contents(folder):
    return {os.fspath(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.extra_remote
@pytest.mark.usefixtures("environment")
def test_all_files_are_found_and_read(stored):
    folder, _, _ = stored
    store, expected = Store(_URL, timeout_s=5), _contents(folder)
    found = store.find(_URL)
    assert list(found) == sorted(expected)
    assert {name: store.content(file) for name, file in found.items()} == expected
    one = found["red/ein Äpfel #1?.jpg"]
    assert store.describe(one.url) == one
    assert store.content(one, 2, 7) == expected["red/ein Äpfel #1?.jpg"][2:7]
    assert not store.exists(f"{_URL}/none.jpg")


@pytest.mark.extra_remote
@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("fault", ["500", "503", "silence", "cut", "reset"])
def test_what_fails_for_a_while_costs_nothing_but_time(stored, fault, capsys):
    folder, _, proxy = stored
    store = Store(_URL, timeout_s=4)
    found = store.find(_URL)
    proxy.rule = of_objects(fault, tries=1, every=5)
    contents = dict(zip(found, store.many(lambda name: store.content(found[name]), found), strict=True))
    assert contents == _contents(folder)
    assert proxy.faults[fault] >= 3
    if fault != "reset":  # which aiohttp tries again itself
        assert capsys.readouterr().out.count("it is tried again") == 1


@pytest.mark.extra_remote
@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("500", "HTTP 500 Internal Server Error"),
        ("503", "HTTP 503 Service Unavailable"),
        ("silence", "no answer in time"),
        ("cut", "the connection was cut"),
    ],
)
def test_what_fails_for_good_ends_in_one_line(stored, fault, said):
    _, _, proxy = stored
    store = Store(_URL, timeout_s=1.5)
    file = next(iter(store.find(_URL).values()))
    proxy.rule = of_objects(fault, tries=99)
    with pytest.raises(UserError, match=rf"{file.url} could not be read in 1.5 s \(\d tries, the last: {said}\)"):
        store.content(file)


@pytest.mark.extra_remote
@pytest.mark.usefixtures("environment")
def test_listing_is_tried_again_too(stored):
    _, _, proxy = stored
    proxy.rule = lambda request, times: "500" if "list-type" in request.path and not times else None
    assert len(Store(_URL, timeout_s=5).find(_URL)) == 16
    assert "of/three-more/red/x.jpg" in Store(_URL, timeout_s=5).find("s3://photos")
    assert proxy.faults["500"] >= 2


@pytest.mark.extra_remote
@pytest.mark.usefixtures("environment")
def test_more_objects_than_a_page_of_a_listing_holds(stored):
    _, client, proxy = stored
    names = [f"{folder}/{number:04}.jpg" for folder in ("a", "b") for number in range(1050)]

    def put(name):
        client.put_object(Bucket="photos", Key=f"pages/{name}", Body=name.encode())

    with concurrent.futures.ThreadPoolExecutor(8) as putting:
        list(putting.map(put, names))
    proxy.times.clear()
    proxy.rule = lambda request, times: "503" if "continuation-token" in request.path and not times else None
    found = Store(_URL, timeout_s=5).find("s3://photos/pages")
    assert proxy.faults["503"] >= 2  # the second page of each folder
    assert list(found) == names
    assert {file.size for file in found.values()} == {10}


@pytest.mark.extra_remote
@pytest.mark.usefixtures("environment")
def test_another_version_and_a_missing_file_are_told_apart(stored):
    _, client, _ = stored
    store = Store(_URL, timeout_s=5)
    found = store.find(_URL)
    changed, gone = found["red/red-00-0000.jpg"], found["red/red-01-0001.jpg"]
    client.put_object(Bucket="photos", Key="of/three/red/red-00-0000.jpg", Body=b"x" * changed.size)
    client.delete_object(Bucket="photos", Key="of/three/red/red-01-0001.jpg")
    with pytest.raises(failures.Changed):
        store.content(changed)
    with pytest.raises(failures.Gone):
        store.content(gone)


@pytest.mark.extra_remote
@pytest.mark.usefixtures("environment")
def test_denied_missing_and_absent_credentials_are_one_line_each(stored, monkeypatch, tmp_path):
    _, _, proxy = stored
    with pytest.raises(UserError, match="there is no bucket photoes"):
        Store(_URL, timeout_s=5).find("s3://photoes/of/three")
    proxy.rule = lambda request, times: "403"
    with pytest.raises(UserError, match=rf"{_URL} must not be read with these credentials .*AccessDenied"):
        Store(_URL, timeout_s=5).find(_URL)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(UserError, match=r"no credentials for s3://photos .*nobody.*: set AWS_ACCESS_KEY_ID and"):
        Store(_URL, timeout_s=5).find(_URL)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"no credentials for s3://photos .*FSSPEC_S3_ANON=true"):
        Store(_URL, timeout_s=5).find(_URL)


@pytest.mark.extra_remote
@pytest.mark.usefixtures("environment")
def test_shards_are_found_by_patterns(stored):
    _, client, _ = stored
    for name in ("a-000.tar", "a-001.tar", "labels.txt", "notes.md", "deep/b-000.tar"):
        client.put_object(Bucket="photos", Key=f"shards/{name}", Body=b"x")
    store = Store(_URL, timeout_s=5)

    def found(pattern):
        shards, root = patterns.shards(pattern, store), "s3://photos/shards/"
        return [url.removeprefix(root) for url in shards.files], [url.removeprefix(root) for url in shards.beside]

    assert found("s3://photos/shards/*.tar") == (["a-000.tar", "a-001.tar"], ["labels.txt"])
    assert found("s3://photos/shards") == (["a-000.tar", "a-001.tar", "deep/b-000.tar"], ["labels.txt"])
    assert found("s3://photos/shards/a-001.tar") == (["a-001.tar"], ["labels.txt"])
    assert found("s3://photos/shards/*/*.tar") == (["deep/b-000.tar"], [])
    with pytest.raises(UserError, match="no file there is one; a folder of images is --image_dir"):
        found("s3://photos/of/three")


@pytest.fixture
def web(tmp_path):
    """A folder behind HTTP, which says when a file was changed and nothing else of its version."""
    pytest.importorskip("aiohttp")
    folder = tmp_path / "web"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()
    serving.server_close()


@pytest.mark.extra_remote
def test_files_are_read_over_http(web):
    folder, url = web
    (folder / "ein Äpfel #1?.jpg").write_bytes(b"x" * 1000)
    for number in range(3):
        (folder / f"a-{number:02}.tar").write_bytes(bytes([number]) * 1000)
    (folder / "labels.txt").write_text("one\n")
    store = Store(url, timeout_s=4)
    file = store.describe(under(url, "ein Äpfel #1?.jpg"))
    assert store.content(file) == b"x" * 1000
    found = patterns.shards(f"{url}/a-{{00..02}}.tar", store)
    assert list(found.files) == [f"{url}/a-{number:02}.tar" for number in range(3)]
    assert list(found.beside) == [f"{url}/labels.txt"]
    with pytest.raises(UserError, match=r"gives no parts of files \(no Range\): its shards have to fit"):
        store.content(found.files[f"{url}/a-01.tar"], 10, 20)
    with pytest.raises(UserError, match=r"records names a file that does not exist: http://.*a-03.tar"):
        patterns.shards(f"{url}/a-{{00..03}}.tar", store)
    with pytest.raises(UserError, match=r"http has no listing that \* could match; \{00000..00012\} stands for"):
        patterns.shards(f"{url}/*.tar", store)
    with pytest.raises(UserError, match="cannot be listed, as http has no folders"):
        store.find(url)
    with faulty_proxy.between(url) as proxy:
        for fault in ("500", "silence", "cut"):
            proxy.rule = of_objects(fault, ending=".tar")
            file = store.describe(f"{proxy.address}/a-01.tar")
            proxy.times.clear()
            assert store.content(file) == b"\1" * 1000
    file = store.describe(f"{url}/a-02.tar")
    os.utime(folder / "a-02.tar", (time.time() + 9, time.time() + 9))
    with pytest.raises(failures.Changed):
        store.content(file)


@pytest.mark.extra_remote
def test_gcs_is_read_by_generation(photo_folder, monkeypatch):
    for name in ("gcsfs", "gcp_storage_emulator"):
        pytest.importorskip(name)
    with google_store.serving() as emulator, faulty_proxy.between(emulator) as proxy:
        contents = _contents(photo_folder / "test")
        url = google_store.put(photo_folder / "test", emulator, "of/three")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.address)
        store = Store(url, timeout_s=6)
        found = store.find(url)
        assert sorted(found) == sorted(contents)
        proxy.rule = lambda request, times: "cut" if "alt=media" in request.path and not times else None
        assert store.content(found["red/red-00-0000.jpg"]) == contents["red/red-00-0000.jpg"]
        store._fs.pipe_file("photos/of/three/red/red-01-0001.jpg", b"x")
        store._fs.rm("photos/of/three/red/red-02-0002.jpg")
        with pytest.raises(failures.Changed):
            store.content(found["red/red-01-0001.jpg"])
        with pytest.raises(failures.Gone):
            store.content(found["red/red-02-0002.jpg"])


@pytest.mark.parametrize(("url", "package"), [("s3://a/b", "s3fs"), ("gs://a/b", "gcsfs"), ("https://a/b", "aiohttp")])
def test_an_absent_extra_is_one_line(url, package):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    extra = EXTRAS[url.partition(":")[0]]
    with pytest.raises(UserError, match=rf"{url} needs the extra {extra}, which is not installed: .*\[{extra}\]"):
        Store(url, timeout_s=5)
