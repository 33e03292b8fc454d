"""Which files are images: by their ending or, where that says nothing, by what is in them."""

import os

import pytest

from ftdata.decoding import transcoding
from ftdata.folders import named_images
from ftdata.inspection import file_kind
from ftdata.sources.source import load_folder
from tests.tools import bad_files
from tests.tools.bad_files import JPEG, PHOTO, encode

HEIC = b"\0\0\0\x18ftypheic" + bytes(64)


def _unless_read(kind):
    """The kind of a file of that format where nothing is installed that reads it."""
    return "image" if transcoding.is_readable(kind) else kind


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        *((name, b"", "image") for name in ("a.jpg", "a.JPEG", "a.jfif", "a.Jpe", "a.PNG", "a.dib", "a.webp")),
        *(
            (name, JPEG, "image")
            for name in ("photo", "photo.", "a.heic", "a.tif", "a.img", "a.1", "IMG_0001.JPG_large")
        ),
        *(("photo", content, "image") for content in (bad_files.PNG, bad_files.GIF, bad_files.WEBP, bad_files.BMP)),
        ("a.TIF", encode(PHOTO, "TIFF"), _unless_read("TIFF")),
        ("scan", encode(PHOTO, "TIFF"), _unless_read("TIFF")),
        ("a.tiff", b"", _unless_read("TIFF")),
        ("a.heic", HEIC, _unless_read("HEIC")),
        ("photo", HEIC, _unless_read("HEIC")),
        ("a.avif", b"", _unless_read("AVIF")),
        ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        ("a.ico", b"\0\0\1\0\1\0", "icon"),
        ("a.svg", b"<svg/>", "vector"),
        ("a.NEF", b"MM\0*" + bytes(40), "camera raw"),  # cameras' own formats are TIFFs
        ("a.dng", encode(PHOTO, "TIFF"), "camera raw"),
        ("notes.txt", JPEG, ".txt"),  # not opened
        ("a.jpg.part", JPEG, ".part"),
        ("a.jpg~", JPEG, ".jpg~"),
        ("a.xyz", b"BMX is no bitmap", ".xyz"),
        ("README", b"text", "no extension"),
        ("Thumbs.db", b"", "system"),
        ("desktop.ini", b"", "system"),
        (".DS_Store", b"", "hidden"),
        ("._a.jpg", JPEG, "hidden"),
    ],
)
def test_kind_of_a_file(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    (entry,) = os.scandir(tmp_path)
    assert file_kind.kind(entry) == kind


def test_pipes_are_not_opened_and_links_that_lead_nowhere_are_known(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    kinds = {entry.name: file_kind.kind(entry) for entry in os.scandir(tmp_path)}
    assert kinds == {"pipe": "no file", "gone": "broken link", "loop": "broken link"}


@pytest.fixture
def without_extras():
    """The messages that name them are for where they are missing."""
    if transcoding.is_readable("TIFF") or transcoding.is_readable("HEIC"):
        pytest.skip("the extras tiff and heic are installed")


@pytest.fixture
def odd_folder(tmp_path):
    """Two classes of JPEGs, some with odd names, and files that are passed over."""
    bad_files.write_good(tmp_path, count=4)
    blue = tmp_path / "blue"
    for number, ending in enumerate(("", ".jfif", ".JPE", ".heic")):
        (blue / f"blue-0{number}.jpg").rename(blue / f"blue-0{number}{ending}")
    (blue / "x.heic").write_bytes(HEIC)
    (blue / "y.tif").write_bytes(encode(PHOTO, "TIFF"))
    (blue / "z.TIFF").write_bytes(encode(PHOTO, "TIFF"))
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "red/.DS_Store").write_bytes(b"")
    return tmp_path


def test_what_is_read_goes_by_content_and_all_else_is_counted(odd_folder, without_extras):
    source = load_folder(str(odd_folder), validation_fraction=0.0)
    assert source.train.labels.tolist() == [0] * 4 + [1] * 4
    assert sum(1 for _ in source.train.encoded()) == 8
    assert source.notes == (
        "warning: 3 images passed over, as the format is not read: 2 TIFF, 1 HEIC (such as blue/y.tif); save "
        "them as JPEG or PNG, or read HEIC, TIFF with .venv/bin/pip install --constraint constraints.txt --editable "
        "'.[heic,tiff]'",
        "files passed over: 1 .txt, 1 hidden",
    )


def test_predict_finds_the_same_files_and_counts_the_same(odd_folder, without_extras):
    (odd_folder / "gone.jpg").symlink_to("nowhere")
    found, notes = named_images.find(str(odd_folder))
    source = load_folder(str(odd_folder / ""), validation_fraction=0.0)
    assert sorted(found) == sorted(os.fsdecode(path) for path in source.train.paths)
    assert notes[:2] == source.notes[-2:]
    assert notes[2] == "1 links that lead nowhere, pipes or devices are passed over"
