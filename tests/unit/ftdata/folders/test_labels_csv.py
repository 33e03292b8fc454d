"""The images of a data set as a CSV lists them, in the ways that people and programs write one."""

import os
import re
import unicodedata

import numpy as np
import pytest

from ftdata.config import DataConfig
from ftdata.errors import UserError
from ftdata.folders import labels_csv
from ftdata.sources.source import open_source
from tests.tools import bad_files
from tests.unit.ftdata.folders.test_folder import rows, touch


def write_csv(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return str(path)


def test_csv_lists_files_by_class(tmp_path):
    touch(tmp_path, "1.jpg", "in/2.jpg", "3.jpg")
    table = write_csv(tmp_path / "labels.csv", "file,label\n3.jpg,knife\nin/2.jpg,fork\n\n1.jpg,knife\n")
    listing = labels_csv.read(table, None)
    assert listing.class_names == ("fork", "knife")
    assert rows(listing) == {"in/2.jpg": "fork", "3.jpg": "knife", "1.jpg": "knife"}
    assert listing.splits["train"].names == ("in/2.jpg", "3.jpg", "1.jpg")  # the CSV's order within a class


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("file,label\n1.jpg,a\n2.jpg,b\n", "utf-8-sig"),  # a spreadsheet program's byte order mark
        ("file,label\r\n1.jpg,a\r\n2.jpg,b\r\n", "utf-8"),
        ("who,label,file\nx,a,1.jpg\ny,b,2.jpg\n", "utf-8"),  # further columns, another order
        ('file,label\n"1.jpg","a"\n"2.jpg","b"\n', "utf-8"),
        ("file , label\n1.jpg , a\n 2.jpg,  b  \n", "utf-8"),  # blanks around values
        ('file, label\n"1.jpg", "a"\n"2.jpg", "b"\n', "utf-8"),
        ("File,LABEL\n1.jpg,a\n2.jpg,b\n", "utf-8"),
        ("file;label\n1.jpg;a\n2.jpg;b\n", "utf-8"),  # a spreadsheet program where the comma is in numbers
        ("file\tlabel\n1.jpg\ta\n2.jpg\tb\n", "utf-8"),
        ("file|label\n1.jpg|a\n2.jpg|b\n", "utf-8"),
        ("sep=;\nfile;label\n1.jpg;a\n2.jpg;b\n", "utf-8-sig"),
        ("file,label,,\n1.jpg,a,,\n2.jpg,b,,,\n,,\n", "utf-8"),  # filled up by a spreadsheet program
        ("file,label\r1.jpg,a\r2.jpg,b\r", "utf-8"),
    ],
)
def test_csv_as_programs_write_it(tmp_path, text, encoding):
    touch(tmp_path, "1.jpg", "2.jpg")
    listing = labels_csv.read(write_csv(tmp_path / "labels.csv", text, encoding), None)
    assert rows(listing) == {"1.jpg": "a", "2.jpg": "b"}


def test_csv_files_are_relative_to_image_dir_where_given(tmp_path):
    photos = touch(tmp_path / "photos", "1.jpg", "2.jpg")
    table = write_csv(tmp_path / "tables" / "labels.csv", "file,label\n1.jpg,a\n2.jpg,b\n")
    assert labels_csv.read(table, photos).splits["train"].paths == (f"{photos}/1.jpg", f"{photos}/2.jpg")
    with pytest.raises(UserError, match=f"does not exist: {re.escape(str(tmp_path))}/tables/1.jpg$"):
        labels_csv.read(table, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\n1.jpg,a\n", r"must have the columns file,label, got name,label in "),
        ("1.jpg,a\n2.jpg,b\n", r"must have the columns file,label, got 1.jpg,a in "),  # no header
        ("", "must have the columns file,label, got nothing in "),
        ("file,label\n1.jpg,a\n9.jpg,b\n", "names a file that does not exist: .*9.jpg"),
        ("file,label\n1.jpg,a\n2.jpg,a\n", "two classes or more, found only 'a'"),
    ],
)
def test_csv_that_cannot_be_used_is_refused(tmp_path, text, message):
    touch(tmp_path, "1.jpg", "2.jpg")
    with pytest.raises(UserError, match=message):
        labels_csv.read(write_csv(tmp_path / "labels.csv", text), None)


@pytest.mark.parametrize("text", ["file,label\n1.jpg\n2.jpg,b\n", "file,label\n1.jpg,\n2.jpg,b\n"])
def test_csv_row_without_a_label_is_refused(tmp_path, text):
    touch(tmp_path, "1.jpg", "2.jpg")
    with pytest.raises(
        UserError, match=r"labels_csv gives no label for 1\.jpg; with --task=multi an image may have none$"
    ):
        labels_csv.read(write_csv(tmp_path / "labels.csv", text), None)


def test_labels_that_look_like_several_are_warned_of(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg")
    table = write_csv(tmp_path / "labels.csv", "file,label\n1.jpg,a;b\n2.jpg,b\n")
    (note,) = labels_csv.read(table, None).notes
    assert note == "warning: each is one class here: a;b; several labels an image need --task=multi"


def test_csv_row_that_stands_twice_counts_once(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg")
    table = write_csv(tmp_path / "labels.csv", "file,label\n1.jpg,a\n2.jpg,b\n./1.jpg,a\n")
    assert rows(labels_csv.read(table, None)) == {"1.jpg": "a", "2.jpg": "b"}
    assert len(labels_csv.read(table, None).splits["train"].names) == 2


@pytest.mark.parametrize("again", ["1.jpg", "./1.jpg", "in/../1.jpg"])
def test_csv_with_two_labels_for_a_file_is_refused(tmp_path, again):
    touch(tmp_path, "1.jpg", "2.jpg", "in/3.jpg")
    table = write_csv(tmp_path / "labels.csv", f"file,label\n1.jpg,a\n2.jpg,b\n\n{again},b\n")
    message = f"^labels_csv names {re.escape(again)} twice: as a in line 2 and as b in line 5"
    with pytest.raises(UserError, match=message):
        labels_csv.read(table, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\n1.jpg,Löffel\n2.jpg,b\n".encode("latin-1"), "must be text in UTF-8, .* save it as CSV UTF-8$"),
        ("file,label\n1.jpg,a\n2.jpg,b\n".encode("utf-16"), "must be text in UTF-8"),
        (b'file,label\n1.jpg,"' + b"a" * 200_000 + b'"\n', r"must be a CSV file, .*: field larger than field limit"),
    ],
)
def test_csv_that_is_no_text_is_refused_in_one_line(tmp_path, content, message):
    touch(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(UserError, match=f"^labels_csv {message}"):
        labels_csv.read(str(tmp_path / "labels.csv"), None)


def test_csv_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"^labels_csv must be a CSV file, got 'nowhere\.csv': no such file$"):
        labels_csv.read("nowhere.csv", None)


def test_csv_says_what_is_not_used(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg")
    listing = labels_csv.read(
        write_csv(tmp_path / "labels.csv", "file,label,age,fold\n1.jpg,a,3,0\n2.jpg,b,4,1\n"), None
    )
    assert listing.notes == ("columns of the CSV that are not used: age, fold",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\n1.jpg,a\n2.jpg,b,c\n", "line 3 of labels_csv has 3 fields and the first line 2: .* in quotes$"),
        ("file,label,x\n1.jpg,a,1\n2.jpg,b\n", "line 3 of labels_csv has 2 fields and the first line 3"),
        ("file,label\n1.jpg,a\n2.jpg, \n", "line 3 of labels_csv gives no label for 2.jpg; with --task=multi"),
        ("file,label\n1.jpg,a\n,b\n", "line 3 of labels_csv names no file: , b$"),
        ("file,label,Label\n1.jpg,a,b\n", "must have one column label, got 2"),
        ("file:label\n1.jpg:a\n", r"must have the columns file,label, got file:label in "),
        ("file,label\n1.jpg,a\n\0,b\n", "names a file that does not exist"),
        ("file,label\n1,a\n2,b\n", "does not exist: .*/1; 1.jpg does: the CSV must give the ending too$"),
        ("file,label\n1.jpg,a\nC:\\2.jpg,b\n", "names a file that does not exist"),
        ("file,label\n1.jpg,a\nlink.jpg,b\n2.jpg,b\n", r"names link.jpg twice: .* \(1.jpg is the same file\)$"),
        (
            "file,label,split\n1.jpg,a,train\n1.jpg,a,test\n",
            "names 1.jpg twice: as train in line 2 and as test in line 3$",
        ),
        ("file,label,split\n1.jpg,a,train\n2.jpg,b,7\n", "gives 2.jpg the split '7' in line 3: it must be train, val"),
        ("file,label,split\n1.jpg,a,train\n2.jpg,b,\n", "gives 2.jpg the split '' in line 3"),
        ("file,label,split\n1.jpg,a,extra\n2.jpg,b,train\n", "gives 1.jpg the split 'extra' in line 2"),
        ("file,label,split\n1.jpg,a,train\n2.jpg,a,train\n3.jpg,A,test\n", "only 'a'"),
    ],
)
def test_csv_with_a_row_that_cannot_be_meant_is_refused_in_one_line(tmp_path, text, message):
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    (tmp_path / "link.jpg").symlink_to("1.jpg")
    with pytest.raises(UserError, match=message) as refusal:
        labels_csv.read(write_csv(tmp_path / "labels.csv", text), None)
    assert "\n" not in str(refusal.value)


def test_csv_splits_are_honoured(tmp_path):
    bad_files.write_good(tmp_path, count=6)
    names = ("train", "Train", "training", "val", "VALID", "test")
    table = [f"{color}/{color}-0{k}.jpg,{color},{name}" for color in ("blue", "red") for k, name in enumerate(names)]
    path = write_csv(tmp_path / "labels.csv", "\n".join(["file,label,Split", *table]))
    source = open_source(DataConfig(labels_csv=path, data_dir=str(tmp_path / "data")))
    assert [len(part) for part in (source.train, source.validation, source.test)] == [6, 4, 2]
    assert source.held_out == ()
    assert source.test.names == ("blue/blue-05.jpg", "red/red-05.jpg")
    np.testing.assert_array_equal(source.test.labels, [0, 1])


def test_csv_spells_files_in_another_way_than_the_disk(tmp_path):
    nfc, nfd = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    touch(tmp_path, f"{nfd}/1.jpg", "in/2.jpg", "3.jpg")
    text = f"file,label\n{nfc}/1.jpg,{nfc}\nin\\2.jpg,b\n{tmp_path}/3.jpg,{nfd}\n"
    listing = labels_csv.read(write_csv(tmp_path / "labels.csv", text), None)
    assert listing.class_names == ("b", nfc)
    assert all(os.path.isfile(path) for path in listing.splits["train"].paths)
    assert listing.splits["train"].names == ("in/2.jpg", f"{nfd}/1.jpg", f"{tmp_path}/3.jpg")


def test_csv_of_one_class_is_enough_to_measure_a_model_on(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg")
    table = write_csv(tmp_path / "labels.csv", "file,label,split\n1.jpg,a,train\n2.jpg,a,test\n")
    assert rows(labels_csv.read(table, None, known=("a", "b")), "test") == {"2.jpg": "a"}
