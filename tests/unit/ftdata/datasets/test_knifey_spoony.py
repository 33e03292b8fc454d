"""The archive, the folder and the builder of knifey-spoony, on small archives and a local server."""

import gzip
import http.server
import importlib.util
import io
import logging
import os
import shutil
import tarfile
import threading
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from ftdata.config import DataConfig
from ftdata.datasets.knifey_spoony import archive, photos
from ftdata.datasets.knifey_spoony import knifey_spoony_dataset_builder as builder_module
from ftdata.errors import UserError
from ftdata.sources.source import open_source
from tests import ROOT

DUMMY = Path(builder_module.__file__).parent / "dummy_data"
DUMMY_COUNTS = {split: dict.fromkeys(photos.CLASS_NAMES, n) for split, n in (("train", 2), ("test", 1))}
JUNK = ("._forky-01-0001.jpg", ".DS_Store", "notes.txt")  # what macOS and people leave in folders
HAS_DILL = importlib.util.find_spec("dill") is not None

if HAS_DILL:  # TFDS's own checks, collected here because pytest only looks below tests/
    from ftdata.datasets.knifey_spoony.knifey_spoony_dataset_builder_test import KnifeySpoonyTest  # noqa: F401


@pytest.mark.skipif(not HAS_DILL, reason="tfds.testing imports dill, which is not installed")
def test_tfds_own_checks_are_collected():
    assert "KnifeySpoonyTest" in globals()


def member(name, kind=tarfile.REGTYPE, *, linkname="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, linkname, size
    return info


def write_tar(path, members):
    """Write (TarInfo, content) pairs as they are, however malicious; a declared size need not be true."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            info.size = info.size or len(content)
            tar.addfile(info, io.BytesIO(content) if content else None)
    return path


def write_dummy_archive(path, *, top=""):
    real = [(member(f"{top}{name.relative_to(DUMMY).as_posix()}"), name) for name in DUMMY.rglob("*.jpg")]
    junk = [(member(f"{top}forky/{name}"), b"no photo") for name in JUNK]
    return write_tar(path, [(info, name.read_bytes()) for info, name in real] + junk)


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """A small archive under the real one's name; the builder is told its blob id and counts."""
    path = write_dummy_archive(tmp_path / "packed" / builder_module.ARCHIVE_NAME)
    monkeypatch.setattr(builder_module, "BLOB_ID", archive.blob_id(path))
    monkeypatch.setattr(photos, "COUNTS", DUMMY_COUNTS)
    return path


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the next entry of server.plan, the last one for ever: a status, "whole" or "cut"."""

    def do_GET(self):
        step = self.server.plan[min(len(self.server.asked), len(self.server.plan) - 1)]
        self.server.asked.append(self.path)
        body = self.server.body
        self.send_response(step if isinstance(step, int) else 200)
        self.send_header("Content-Length", "0" if isinstance(step, int) else str(len(body)))
        self.end_headers()
        if not isinstance(step, int):
            self.wfile.write(body if step == "whole" else body[: len(body) // 2])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(packed, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.plan, running.asked, running.body = ["whole"], [], packed.read_bytes()
        url = f"http://127.0.0.1:{running.server_port}/{packed.name}"
        monkeypatch.setattr(builder_module, "URL", url)
        monkeypatch.setattr(archive, "FIRST_DELAY_S", 0.01)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def build(tmp_path, *, manual_dir=None):
    builder = builder_module.Builder(data_dir=tmp_path / "data")
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, compute_stats=tfds.download.ComputeStatsMode.SKIP)
    builder.download_and_prepare(download_config=config)
    return builder


def read(builder, *, split):
    """Return {file_name: (label, JPEG bytes as stored)}."""
    dataset = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return {
        row["file_name"].decode(): (builder.info.features["label"].int2str(int(row["label"])), row["image"])
        for row in dataset.as_numpy_iterator()
    }


def assert_is_dummy(builder):
    for split, below in (("train", ""), ("test", "test")):
        rows = read(builder, split=split)
        expected = [path for name in photos.CLASS_NAMES for path in (DUMMY / name / below).glob("*.jpg")]
        assert {name: image for name, (_, image) in rows.items()} == {
            path.relative_to(DUMMY).as_posix(): path.read_bytes() for path in expected
        }
        assert all(name.startswith(f"{label}/") for name, (label, _) in rows.items())


def leftovers(folder):
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


# --- the git blob id


@pytest.mark.parametrize(
    ("content", "printed_by_git"),  # `git hash-object` on these bytes
    [
        (b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
        (b"\0" * 600_000, "39bc61a6572bfcfe261412e28aebf1f3845fd2c4"),  # longer than two pieces
    ],
)
def test_blob_id_is_that_of_git(tmp_path, content, printed_by_git):
    (tmp_path / "file").write_bytes(content)
    assert archive.blob_id(tmp_path / "file") == printed_by_git


# --- extraction


def test_extract_writes_files_and_folders_with_their_content(tmp_path):
    path = write_tar(
        tmp_path / "a.tar.gz",
        [
            (member("./", tarfile.DIRTYPE), b""),
            (member("a/b.txt"), b"b"),
            (member("empty/", tarfile.DIRTYPE), b""),
        ],
    )
    archive.extract(path, folder=tmp_path / "new" / "out")
    assert (tmp_path / "new/out/a/b.txt").read_bytes() == b"b"
    assert (tmp_path / "new/out/empty").is_dir()
    assert not leftovers(tmp_path)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (member("/tmp/absolute.jpg"), "/tmp/absolute.jpg"),
        (member("C:/absolute.jpg"), "C:/absolute.jpg"),
        (member("../up.jpg"), r"\.\./up.jpg"),
        (member("forky/../../up.jpg"), r"forky/\.\./\.\./up.jpg"),
        (member("forky\\..\\..\\up.jpg"), "up.jpg"),  # climbs out on Windows
        (member("link", tarfile.SYMTYPE, linkname="forky"), "link"),
        (member("link", tarfile.SYMTYPE, linkname="/etc"), "link"),
        (member("hard", tarfile.LNKTYPE, linkname="ok.txt"), "hard"),
        (member("device", tarfile.CHRTYPE), "device"),
        (member("disk", tarfile.BLKTYPE), "disk"),
        (member("pipe", tarfile.FIFOTYPE), "pipe"),
        (member("ok.txt"), "ok.txt"),  # stands twice
        (member("ok.txt/inside"), "ok.txt/inside"),  # below a file
    ],
)
def test_malicious_member_is_refused_and_nothing_is_written(tmp_path, bad, named):
    content = b"bad" if bad.isreg() else b""
    path = write_tar(tmp_path / "in" / "a.tar.gz", [(member("ok.txt"), b"fine"), (bad, content)])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=f"member '.*{named}' .*refused"):
        archive.extract(path, folder=tmp_path / "deep" / "er" / "out")
    assert [file for file in sorted(tmp_path.rglob("*")) if file.is_file()] == [path]
    assert not (tmp_path / "deep/er/out").exists()
    assert set(before) <= set(tmp_path.rglob("*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_file_through_a_link_of_the_archive_is_not_written(tmp_path, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    link, through = member("door", kind, linkname=str(outside)), member("door/evil.jpg")
    path = write_tar(tmp_path / "a.tar.gz", [(member("ok.txt"), b"fine"), (link, b""), (through, b"evil")])
    with pytest.raises(UserError, match="member 'door' is neither a file nor a folder: refused"):
        archive.extract(path, folder=tmp_path / "out")
    assert not list(outside.iterdir())
    assert not (tmp_path / "out").exists()


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    path = write_tar(tmp_path / "a.tar.gz", [(member(f"{n}.jpg"), b"x") for n in range(4)])
    with pytest.raises(UserError, match=r"more than 3 members, the next is '3\.jpg'"):
        archive.extract(path, folder=tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]


def test_bomb_is_refused_at_its_declared_size(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1_000_000)
    path = write_tar(tmp_path / "a.tar.gz", [(member("zeros"), bytes(1_000_001))])
    assert path.stat().st_size < 5000
    with pytest.raises(UserError, match="more than 1000000 bytes, at 'zeros'"):
        archive.extract(path, folder=tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]


def test_bomb_inside_a_header_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 10)
    path = write_tar(tmp_path / "a.tar.gz", [(member("x", tarfile.XHDTYPE), bytes(3_000_000))])
    with pytest.raises(UserError, match="refused as a bomb"):
        archive.extract(path, folder=tmp_path / "out")


@pytest.mark.parametrize("spoil", [lambda raw: raw[: len(raw) // 2], lambda raw: b"no archive at all"])
def test_broken_archive_is_named(tmp_path, spoil):
    path = write_tar(tmp_path / "a.tar.gz", [(member("noise"), os.urandom(100_000))])
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match=r"a\.tar\.gz is not a readable \.tar\.gz"):
        archive.extract(path, folder=tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]


def test_empty_gzip_is_named(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(UserError, match="not a readable"):
        archive.extract(path, folder=tmp_path / "out")


def test_extract_into_an_existing_folder_is_refused(tmp_path, packed):
    with pytest.raises(FileExistsError, match="new folder only"):
        archive.extract(packed, folder=tmp_path)


def test_faster_process_wins_and_its_folder_serves(tmp_path, packed, monkeypatch):
    write, folder = (
        archive._write,
        tmp_path / "data/downloads/extracted" / f"knifey_spoony-{builder_module.BLOB_ID[:12]}",
    )

    def write_while_another_process_finishes(tar, **arguments):
        if not folder.exists():
            shutil.copytree(DUMMY, folder)
        write(tar, **arguments)

    monkeypatch.setattr(archive, "_write", write_while_another_process_finishes)
    assert_is_dummy(build(tmp_path, manual_dir=packed.parent))
    assert not leftovers(tmp_path)


# --- the folder


@pytest.mark.parametrize("top", ["", "knifey-spoony"])
def test_folder_is_found_and_counted_without_junk(tmp_path, top):
    shutil.copytree(DUMMY, tmp_path / top, dirs_exist_ok=True)
    for name in JUNK:
        (tmp_path / top / "forky" / name).write_bytes(b"no photo")
    (tmp_path / top / "forky" / "folder.jpg").mkdir()
    assert photos.find(tmp_path) == tmp_path / top
    assert photos.count(tmp_path / top) == DUMMY_COUNTS


def test_counts_of_the_original_add_up():
    assert {split: sum(counts.values()) for split, counts in photos.COUNTS.items()} == {
        "train": 4170,
        "test": 530,
    }


# --- the builder, from a manual folder


@pytest.mark.parametrize("top", ["", "knifey-spoony/", "./"])
@pytest.mark.parametrize("give", ["folder", "file"])
def test_manual_archive_loads(tmp_path, monkeypatch, packed, top, give):
    write_dummy_archive(packed, top=top)
    monkeypatch.setattr(builder_module, "BLOB_ID", archive.blob_id(packed))
    builder = build(tmp_path, manual_dir=packed if give == "file" else packed.parent)
    assert_is_dummy(builder)
    assert sorted(packed.parent.iterdir()) == [packed]


def test_damaged_manual_archive_names_both_ids_and_the_way_out(tmp_path, packed):
    expected = builder_module.BLOB_ID
    packed.write_bytes(packed.read_bytes() + b"x")
    found = archive.blob_id(packed)
    with pytest.raises(UserError, match=f"(?s){packed}.*{found}.*{expected}.*--manual_dir="):
        build(tmp_path, manual_dir=packed.parent)


def test_archive_with_other_contents_is_refused(tmp_path, packed, monkeypatch):
    monkeypatch.setitem(photos.COUNTS["test"], "forky", 7)
    with pytest.raises(UserError, match=r"1 forky.*expected.*7 forky"):
        build(tmp_path, manual_dir=packed.parent)


@pytest.mark.parametrize("top", ["", "knifey-spoony"])
def test_unpacked_subset_warns_once_and_loads(tmp_path, caplog, top):
    shutil.copytree(DUMMY, tmp_path / "manual" / top)
    with caplog.at_level(logging.WARNING):
        builder = build(tmp_path, manual_dir=tmp_path / "manual")
    assert_is_dummy(builder)
    (warning,) = [text for text in caplog.messages if "differs from the original" in text]
    assert "found train 2 forky, 2 knifey, 2 spoony; test 1 forky" in warning
    assert "expected train 994 forky" in warning


def test_unpacked_folder_without_test_photos_is_refused(tmp_path):
    shutil.copytree(DUMMY, tmp_path / "manual", ignore=shutil.ignore_patterns("test"))
    with pytest.raises(UserError, match=r"no test photos.*<class>/test/\*\.jpg"):
        build(tmp_path, manual_dir=tmp_path / "manual")


def test_features_and_metadata(tmp_path):
    info = builder_module.Builder(data_dir=tmp_path).info
    assert info.full_name == "knifey_spoony/1.0.0"
    assert info.features["label"].names == ["forky", "knifey", "spoony"]
    assert info.features["image"].shape == (None, None, 3)
    assert info.supervised_keys == ("image", "label")
    assert info.homepage == "https://github.com/Hvass-Labs/knifey-spoony"
    assert "Magnus Erik Hvass Pedersen" in info.description
    assert "Magnus Erik Hvass Pedersen" in info.citation


# --- the builder, from a server


def test_download_loads_and_is_not_repeated(tmp_path, server):
    assert_is_dummy(build(tmp_path))
    shutil.rmtree(tmp_path / "data" / "knifey_spoony")
    assert_is_dummy(build(tmp_path))
    assert len(server.asked) == 1
    assert not leftovers(tmp_path)


def test_damaged_remains_of_an_earlier_run_are_replaced(tmp_path, server):
    build(tmp_path)
    downloads = tmp_path / "data" / "downloads"
    (downloads / builder_module.ARCHIVE_NAME).write_bytes(b"damaged")
    next(downloads.rglob("forky-01-*.jpg")).unlink()
    shutil.rmtree(tmp_path / "data" / "knifey_spoony")
    assert_is_dummy(build(tmp_path))
    assert len(server.asked) == 2


def test_unusable_manual_folder_warns_and_downloads(tmp_path, server, caplog):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    assert_is_dummy(build(tmp_path, manual_dir=tmp_path / "other"))
    assert any("holds neither" in text for text in caplog.messages)


def test_misspelt_manual_folder_warns_and_downloads(tmp_path, server, caplog):
    assert_is_dummy(build(tmp_path, manual_dir=tmp_path / "mispelt"))
    assert any("mispelt does not exist" in text for text in caplog.messages)


def test_usable_manual_folder_downloads_nothing(tmp_path, server):
    build(tmp_path, manual_dir=DUMMY)
    assert server.asked == []


@pytest.mark.parametrize("failure", [503, 429, "cut"])
def test_download_survives_two_failures_with_growing_delays(tmp_path, monkeypatch, server, failure):
    delays_s = []
    monkeypatch.setattr(archive.time, "sleep", delays_s.append)
    server.plan = [failure, failure, "whole"]
    assert_is_dummy(build(tmp_path))
    assert delays_s == [0.01, 0.02]


@pytest.mark.parametrize(
    ("failure", "reason", "requests"),
    [(503, "503", 3), (404, "404", 1), ("cut", "ended after|IncompleteRead", 3)],  # a 404 stays one
)
def test_failed_download_names_url_reason_and_way_out(tmp_path, server, failure, reason, requests):
    server.plan = [failure]
    with pytest.raises(ConnectionError, match=f"{builder_module.URL}.*({reason}).*--manual_dir=FOLDER"):
        build(tmp_path)
    assert len(server.asked) == requests
    assert [file for file in tmp_path.rglob("*.gz*") if "packed" not in file.parts] == []


def test_no_server_is_a_clear_error(tmp_path, server, monkeypatch):
    monkeypatch.setattr(builder_module, "URL", "http://127.0.0.1:9/none.tar.gz")  # the discard port
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:9.*refused.*--manual_dir=FOLDER"):
        build(tmp_path)


def test_whole_download_of_something_else_is_refused_at_once(tmp_path, server):
    server.body = b"<html>please log in</html>"
    with pytest.raises(UserError, match=f"{builder_module.BLOB_ID}.*--manual_dir=FOLDER"):
        build(tmp_path)
    assert len(server.asked) == 1
    assert not leftovers(tmp_path)


def test_endless_download_is_refused(tmp_path, server, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 100)
    with pytest.raises(UserError, match="sends more than 100 bytes"):
        build(tmp_path)
    assert not leftovers(tmp_path)


# --- opened by name: what was prepared is used again for the same photos only


def opened(tmp_path, manual_dir):
    """File names of the data set as a run opens it, and the folder it was prepared in."""
    config = DataConfig("knifey_spoony", data_dir=str(tmp_path / "data"), manual_dir=manual_dir and str(manual_dir))
    source = open_source(config)
    return {*source.train.names, *source.validation.names, *source.test.names}, source.name


def test_photos_of_another_folder_are_prepared_apart(tmp_path, capsys):
    small, large = tmp_path / "small", tmp_path / "large"
    for folder in (small, large):
        shutil.copytree(DUMMY, folder)
    shutil.copy(DUMMY / "forky/forky-01-0001.jpg", large / "forky/test/forky-test-09-0001.jpg")
    names_of_small, prepared = opened(tmp_path, small)
    assert opened(tmp_path, large)[0] == names_of_small | {"forky/test/forky-test-09-0001.jpg"}
    capsys.readouterr()
    shutil.move(small, tmp_path / "moved")
    assert opened(tmp_path, tmp_path / "moved") == (names_of_small, prepared)  # the same photos elsewhere
    assert "preparing" not in capsys.readouterr().out
    (tmp_path / "moved/forky/forky-01-0001.jpg").write_bytes((DUMMY / "forky/forky-02-0001.jpg").read_bytes())
    assert opened(tmp_path, tmp_path / "moved")[1] != prepared


def test_an_archive_given_is_the_archive_downloaded(tmp_path, packed, server, capsys):
    _, prepared = opened(tmp_path, packed.parent)
    assert prepared == "knifey_spoony/original/1.0.0"
    capsys.readouterr()
    assert opened(tmp_path, None)[1] == prepared
    assert "preparing" not in capsys.readouterr().out
    assert server.asked == []


def test_photos_in_the_default_manual_folder_are_not_the_original(tmp_path):
    shutil.copytree(DUMMY, tmp_path / "data/downloads/manual")
    assert opened(tmp_path, None)[1].startswith("knifey_spoony/folder-")


def test_misspelt_manual_dir_of_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"^manual_dir must be a folder or an archive, got '.*mispelt': no such file$"):
        opened(tmp_path, tmp_path / "mispelt")


# --- the real photos


def real_photos():
    beside = ROOT.parent / "shared" / "data" / "knifey-spoony"
    return Path(os.environ.get("FTDATA_REAL_PHOTOS", beside))


@pytest.mark.slow
@pytest.mark.skipif(not real_photos().is_dir(), reason="the real photos are absent: set FTDATA_REAL_PHOTOS")
def test_real_photos_load(tmp_path):
    builder = build(tmp_path, manual_dir=real_photos())
    train, test = read(builder, split="train"), read(builder, split="test")
    assert len(train) == 4170
    assert len(test) in (60, 530)  # a sample of the test set, or all of it
    assert all(Path(name).name.startswith(label) for name, (label, _) in {**train, **test}.items())
    name = "spoony/spoony-01-0001.jpg"
    assert train[name] == ("spoony", (real_photos() / name).read_bytes())
    assert "forky/test/forky-test-01-0003.jpg" in test
