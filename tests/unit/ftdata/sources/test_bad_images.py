"""Bad images: each kind gets its reason, and the good ones train without them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ftdata import load_folder
from ftdata.config import DataConfig
from ftdata.decoding import decode, headers
from ftdata.decoding.errors import input_error
from ftdata.errors import UserError
from ftdata.folders import folder
from ftdata.inspection import examine
from ftdata.sources.files import open_files
from ftdata.sources.weighting import class_weights
from tests import ROOT
from tests.configs import make_config
from tests.tools import bad_files
from trainers import command_line

MADE = {**bad_files.BAD, **{name: (file, content, None) for name, (file, content) in bad_files.GOOD.items()}}


@pytest.fixture(scope="module")
def reasons(tmp_path_factory):
    """{case: reason or None} of every case of bad_files, all examined together."""
    root = tmp_path_factory.mktemp("cases")
    paths = {}
    for number, (name, (file, made, _)) in enumerate({**MADE, **bad_files.UNREADABLE}.items()):
        path = root / str(number) / file
        path.parent.mkdir()
        path.write_bytes(made) if isinstance(made, bytes) else made(path)
        paths[name] = str(path)
    verdicts = examine.inspect_files(list(paths.values()), origin=str(root), keep_in=root / "examined")
    return {name: verdict.reason for name, verdict in zip(paths, verdicts, strict=True)}


@pytest.mark.parametrize("case", [*bad_files.BAD, *(name for name in bad_files.UNREADABLE if name != "no permission")])
def test_bad_image_has_its_reason(reasons, case):
    expected = {**bad_files.BAD, **bad_files.UNREADABLE}[case][2]
    assert expected in reasons[case]


@pytest.mark.parametrize("case", bad_files.GOOD)
def test_unusual_image_is_accepted(reasons, case):
    assert reasons[case] is None


@pytest.fixture
def open_to_all(tmp_path):
    """A folder that any user may enter, as tmp_path is not."""
    root = Path("/tmp") / f"ftdata-{os.getpid()}-{tmp_path.name}"
    root.mkdir()
    root.chmod(0o755)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def without_privileges():
    """Lets the test run as nobody, where it runs as root, whom no permission stops."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_image_without_permission_is_named(open_to_all, request):
    path = open_to_all / "locked.jpg"
    bad_files.UNREADABLE["no permission"][1](path)
    request.getfixturevalue("without_privileges")
    (verdict,) = examine.inspect_files([str(path)], origin=str(open_to_all), keep_in=open_to_all / "examined")
    assert verdict.reason == "no permission to read it"


def test_folder_without_permission_is_an_error_and_not_an_empty_class(open_to_all, request):
    bad_files.write_good(open_to_all, classes=("blue", "green", "red"), count=1)
    (open_to_all / "green").chmod(0)
    request.getfixturevalue("without_privileges")
    with pytest.raises(UserError, match="cannot read the folder .*green: Permission denied"):
        folder.scan(str(open_to_all))


def test_file_beyond_any_image_is_not_read(tmp_path):
    path = tmp_path / "huge.bmp"
    path.write_bytes(bad_files.BMP)
    os.truncate(path, headers.MAX_FILE_BYTES + 1)  # sparse: takes no room
    (verdict,) = examine.inspect_files([str(path)], origin=str(tmp_path), keep_in=tmp_path / "examined")
    assert verdict.reason == "too large: 536,870,913 bytes, the limit is 536,870,912"


def test_the_limit_itself_is_accepted():
    assert headers.read(bad_files.png_claiming(10_000, 10_000)).pixels == headers.MAX_PIXELS
    with pytest.raises(UserError, match="10000 x 10001 is 100,010,000 pixels, the limit is 100,000,000"):
        headers.read(bad_files.png_claiming(10_000, 10_001))


def test_error_lists_all_at_once_the_first_twenty_and_a_count(tmp_path):
    bad_files.write_good(tmp_path)
    for number in range(23):
        (tmp_path / f"blue/x{number:02}.jpg").write_bytes(b"" if number else bad_files.JPEG[:-9])
    with pytest.raises(UserError, match="23 of 47 images cannot be used") as raised:
        load_folder(str(tmp_path))
    lines = str(raised.value).splitlines()
    assert lines[1] == "  blue/x00.jpg: truncated JPEG"
    assert lines[20] == "  blue/x19.jpg: empty file"
    assert lines[21] == "  and 3 more (3 empty file)"
    assert lines[22] == "Remove or replace them, or train without them: --on_bad_image=skip --max_bad_fraction=0.49"


def test_skip_gives_the_data_set_of_a_folder_without_them(tmp_path):
    clean = bad_files.write_good(tmp_path / "clean")
    mixed = bad_files.write_good(tmp_path / "mixed")
    for number, (file, content, _) in enumerate(bad_files.BAD.values()):
        (mixed / "blue" / f"{number}-{file}").write_bytes(content)
    expected, got = load_folder(str(clean)), load_folder(str(mixed), on_bad_image="skip", max_bad_fraction=1.0)
    assert len(got.bad_images) == len(bad_files.BAD)
    for split in ("train", "validation", "test"):
        assert getattr(got, split).names == getattr(expected, split).names
        np.testing.assert_array_equal(getattr(got, split).labels, getattr(expected, split).labels)
    weights = class_weights(got.train.labels, "ab", "balanced")
    np.testing.assert_array_equal(weights, [1, 1])  # the bad ones would have made `blue` the larger class


def test_skip_stops_at_more_than_the_fraction_that_it_may_pass_over(tmp_path):
    bad_files.write_good(tmp_path)
    for number in range(3):
        (tmp_path / f"blue/x{number}.jpg").write_bytes(b"" if number else bad_files.JPEG[:-9])
    with pytest.raises(UserError) as raised:
        load_folder(str(tmp_path), on_bad_image="skip")
    assert str(raised.value) == (
        "3 of 27 images cannot be used, more than --max_bad_fraction=0.01 lets --on_bad_image=skip pass over: "
        "2 empty file, 1 truncated JPEG (the first is blue/x0.jpg). Look at some of them; --on_bad_image=skip "
        "--max_bad_fraction=0.112 trains without them"
    )
    assert len(load_folder(str(tmp_path), on_bad_image="skip", max_bad_fraction=0.112).bad_images) == 3


def test_skip_does_not_lose_a_class(tmp_path):
    bad_files.write_good(tmp_path, classes=("blue", "green", "red"))
    for path in (tmp_path / "green").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="no training image of green can be used: 12 of 36 images"):
        load_folder(str(tmp_path), on_bad_image="skip", max_bad_fraction=1.0)


def test_a_model_is_measured_without_the_bad_images_and_without_their_class(tmp_path):
    bad_files.write_good(tmp_path, count=2)
    for path in (tmp_path / "red").iterdir():
        path.write_bytes(b"")
    config = DataConfig(
        image_dir=str(tmp_path), data_dir=str(tmp_path / ".data"), on_bad_image="skip", max_bad_fraction=1.0
    )
    files = open_files(config, known=("blue", "red"))
    assert files.splits["test"].names == ("blue/blue-00.jpg", "blue/blue-01.jpg")
    assert len(files.bad_images) == 2
    for path in (tmp_path / "blue").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="none of the images can be used: 4 of 4 images"):
        open_files(config, known=("blue", "red"))


def test_unchanged_files_are_not_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr(examine, "_WORTH_KEEPING_S", 0.0)
    first, second = tmp_path / "a.jpg", tmp_path / "b.jpg"
    first.write_bytes(bad_files.JPEG)
    second.write_bytes(bad_files.JPEG[:-9])

    def reasons():
        verdicts = examine.inspect_files([str(first), str(second)], origin=str(tmp_path), keep_in=tmp_path / "examined")
        return [verdict.reason for verdict in verdicts]

    assert reasons() == [None, "truncated JPEG"]
    before = first.stat()
    first.write_bytes(bytes(before.st_size))
    os.utime(first, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert reasons() == [None, "truncated JPEG"]  # taken from the record: same size, same time
    os.utime(first)
    second.write_bytes(bad_files.PNG)
    assert reasons() == ["nothing but zeros", None]
    for record in (tmp_path / "examined").iterdir():
        record.write_text(json.dumps({str(first): "no verdict"}))
    assert reasons() == ["nothing but zeros", None]


def test_a_record_that_cannot_be_kept_does_no_harm(tmp_path, monkeypatch):
    monkeypatch.setattr(examine, "_WORTH_KEEPING_S", 0.0)
    (tmp_path / "a.jpg").write_bytes(bad_files.JPEG)
    (tmp_path / "taken").write_text("a file where the folder should be")
    (verdict,) = examine.inspect_files([str(tmp_path / "a.jpg")], origin=str(tmp_path), keep_in=tmp_path / "taken")
    assert verdict.reason is None


def test_what_libjpeg_says_is_the_reason_and_does_not_reach_the_screen(tmp_path, capfd):
    bogus = bytearray(bad_files.JPEG)
    table = bogus.index(b"\xff\xc4")
    bogus[table + 5 : table + 21] = b"\xff" * 16  # more codes than a table may have
    (tmp_path / "a.jpg").write_bytes(bogus)
    (tmp_path / "b.jpg").write_bytes(bad_files.JPEG[:-2] + b"\0" * 30 + b"\xff\xd9")  # the picture is whole
    paths = [str(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    first, second = examine.inspect_files(paths, origin=str(tmp_path), keep_in=tmp_path / "examined")
    assert first.reason == "damaged JPEG (bogus huffman table definition)"
    assert second.reason is None
    assert capfd.readouterr().err == ""


def test_files_that_stand_in_two_splits_are_told(tmp_path):
    bad_files.write_good(tmp_path / "train")
    bad_files.write_good(tmp_path / "test", count=2)  # the same first two of each class
    (note,) = load_folder(str(tmp_path), validation_fraction=0.0).notes
    assert note.startswith("warning: 4 images in two splits, byte for byte")
    assert "test test/blue/blue-00.jpg = train train/blue/blue-00.jpg" in note
    assert note.endswith(", and 1 more")


def test_files_that_stand_in_two_classes_are_told(tmp_path):
    bad_files.write_good(tmp_path)
    (tmp_path / "red/same.jpg").write_bytes((tmp_path / "blue/blue-03.jpg").read_bytes())
    (note,) = load_folder(str(tmp_path), validation_fraction=0.0).notes
    assert note.endswith("in two classes, byte for byte, so one label is wrong: red/same.jpg = blue/blue-03.jpg")


# --- folders and names


def test_empty_class_folder_is_told(tmp_path):
    bad_files.write_good(tmp_path)
    (tmp_path / "green").mkdir()
    assert load_folder(str(tmp_path)).notes[0] == "no images in 1 folder, green: no class of that name"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere", "green is a link that leads nowhere"),
        *((dots, "green is a link that leads back") for dots in (".", "..")),
    ],
)
def test_link_among_the_class_folders_that_leads_nowhere_or_back_is_refused(tmp_path, target, message):
    bad_files.write_good(tmp_path / "data")
    (tmp_path / "data/green").symlink_to(target)
    with pytest.raises(UserError, match=message):
        folder.scan(str(tmp_path / "data"))


def test_link_to_a_class_folder_elsewhere_is_followed(tmp_path):
    bad_files.write_good(tmp_path / "data")
    bad_files.write_good(tmp_path / "elsewhere", classes=("green",))
    (tmp_path / "data/green").symlink_to(tmp_path / "elsewhere/green")
    assert folder.scan(str(tmp_path / "data")).class_names == ("blue", "green", "red")


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    bad_files.write_good(tmp_path, count=2)
    (tmp_path / "blue/._blue-00.jpg").write_bytes(b"what macOS leaves behind")
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / ".thumbnails/a.jpg").write_bytes(b"")
    assert len(folder.scan(str(tmp_path)).splits["train"].paths) == 4


def test_names_that_are_not_utf8_are_read_and_shown_escaped(tmp_path):
    bad_files.write_good(tmp_path)
    (tmp_path / "blue").rename(os.fsdecode(os.fsencode(tmp_path) + b"/bl\xfce"))
    with open(os.fsencode(tmp_path) + b"/red/\xff\x1b[2J.jpg", "wb") as stream:
        stream.write(bad_files.JPEG)
    source = load_folder(str(tmp_path), validation_fraction=0.0)
    assert source.class_names == (r"bl\udcfce", "red")
    assert r"red/\udcff\x1b[2J.jpg" in source.train.names
    assert sum(1 for _ in source.train.encoded()) == 25


# --- images that are not examined: those of a TFDS data set, and files that change later


@pytest.mark.parametrize("content", [bad_files.JPEG[:-9], None])
def test_an_image_that_fails_on_the_fly_is_told_with_a_way_out(tmp_path, content):
    path = tmp_path / "a.jpg"
    if content:
        path.write_bytes(content)
    read = decode.Decoding(image_size=8).plain_jpeg
    batches = tf.data.Dataset.from_tensors(str(path)).map(lambda name: read(tf.io.read_file(name)))
    with pytest.raises(tf.errors.OpError) as raised:
        next(iter(batches))
    message = input_error(raised.value)
    assert message.startswith("an image cannot be read or decoded: ")
    assert ("Invalid JPEG data" if content else str(path)) in message
    assert "\n" not in message


def test_an_error_of_the_network_is_not_laid_on_the_images():
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        tf.linalg.inv(tf.zeros((2, 2)))
    assert input_error(raised.value) is None


# --- the command line


def train(image_dir, model_dir, *arguments):
    command = [sys.executable, "-m", "trainers.main", f"--image_dir={image_dir}", f"--model_dir={model_dir}"]
    tiny = "--backbone=vgg_nano --weights=objects --image_size=32 --transfer_epochs=1 --phase=transfer --batch_size=8"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command += [*tiny.split(), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Good images and every kind of bad one."""
    root = bad_files.write_good(tmp_path_factory.mktemp("mixed"))
    for number, (file, made, _) in enumerate({**MADE, **bad_files.UNREADABLE}.values()):
        path = root / "blue" / (file if len(file) > 200 else f"{number:02}-{file}")
        if file != "locked.jpg":
            path.write_bytes(made) if isinstance(made, bytes) else made(path)
    return root


def test_error_ends_with_1_and_trains_nothing(mixed, tmp_path, capfd):
    assert command_line.run(make_config(mixed, tmp_path / "run"), given=(), command_line=()) == 1
    said = capfd.readouterr().err
    assert said.startswith("error: ")
    assert "--on_bad_image=skip" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_process_ends_with_1_and_without_a_trace(mixed, tmp_path):
    finished = train(mixed, tmp_path / "run")
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: ")
    assert "--on_bad_image=skip" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_skip_trains_the_good_images_and_lists_the_others(mixed, tmp_path):
    finished = train(mixed, tmp_path, "--on_bad_image=skip", "--max_bad_fraction=1", "--cache=none")
    assert finished.returncode == 0, finished.stderr
    bad = len(bad_files.BAD) + len(bad_files.UNREADABLE) - 1
    assert f"{bad} images skipped (" in finished.stdout
    listed = (tmp_path / "bad_images.txt").read_text().splitlines()
    assert len(listed) == bad
    assert all(line.count("\t") == 1 for line in listed)
    recorded = json.loads((tmp_path / "config.json").read_text())["phases"]["transfer"]["data"]
    assert sum(recorded[split]["images"] for split in ("train", "validation", "test")) == 24 + len(bad_files.GOOD)
    assert json.loads((tmp_path / "transfer/metrics.json").read_text())["step"] > 0
