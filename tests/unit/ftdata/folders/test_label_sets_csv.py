"""Images with several labels each, or none, in both ways that a CSV lists them, and what of it is refused."""

import numpy as np
import pytest

from ftdata.config import DataConfig
from ftdata.errors import UserError
from ftdata.folders import label_sets_csv
from ftdata.sources.source import open_source
from tests.unit.ftdata.folders.test_folder import touch
from tests.unit.ftdata.folders.test_labels_csv import write_csv


def sets(listing, split="train"):
    files = listing.splits[split]
    assert files.labels.dtype == np.float32
    return {
        name: {listing.class_names[k] for k in np.flatnonzero(row)}
        for name, row in zip(files.names, files.labels, strict=True)
    }


_EXPECTED = {"1.jpg": {"Fork", "knife"}, "2.jpg": set(), "3.jpg": {"knife"}}


@pytest.mark.parametrize(
    "text",
    [
        "file,Fork,knife\n1.jpg,1,1\n2.jpg,0,0\n3.jpg,0,1\n",
        "knife;FILE;Fork\n1; 1.jpg;1\n0;2.jpg;0\n\n1;3.jpg;0\n",
        "file,Fork,knife\n1.jpg,True,1.0\n2.jpg,False,0.0\n3.jpg,false,TRUE\n",
        "file,labels\n1.jpg,Fork; knife\n2.jpg,\n3.jpg,knife\n",
        'file;label\n1.jpg;"knife;Fork;"\n2.jpg;\n3.jpg;knife\n',
        "file,labels\n1.jpg,Fork|knife\n2.jpg,\n3.jpg,knife\n3.jpg,knife\n",
    ],
    ids=["columns", "semicolons", "true", "names", "quoted", "bars"],
)
def test_both_ways_say_the_same(tmp_path, text):
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    listing = label_sets_csv.read(write_csv(tmp_path / "labels.csv", text), None)
    assert listing.class_names == ("Fork", "knife")
    assert sets(listing) == _EXPECTED


def test_a_separator_of_ones_own_leaves_the_others_in_names(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg")
    table = write_csv(tmp_path / "labels.csv", "file,labels,camera\n1.jpg,a;b/c,1\n2.jpg,c,2\n")
    listing = label_sets_csv.read(table, None, separator="/")
    assert sets(listing) == {"1.jpg": {"a;b", "c"}, "2.jpg": {"c"}}
    assert listing.notes == ("columns of the CSV that are not used: camera",)


def test_splits_and_known_classes(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    table = write_csv(tmp_path / "labels.csv", "file,split,a,b\n1.jpg,train,1,1\n2.jpg,val,0,1\n3.jpg,test,0,0\n")
    listing = label_sets_csv.read(table, None)
    assert list(listing.splits) == ["train", "validation", "test"]
    assert sets(label_sets_csv.read(table, None, known=("a", "b")), "test") == {"3.jpg": set()}
    with pytest.raises(UserError, match=r"^labels_csv has no column for c, which the model knows"):
        label_sets_csv.read(table, None, known=("a", "b", "c"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,a,b\n1.jpg,1,0\n2.jpg,2,1\n", r"line 3 of labels_csv must have 0 or 1 in the column 'a', got '2'"),
        ("file,a,b\n1.jpg,1,\n2.jpg,0,1\n", r"line 2 of labels_csv must have 0 or 1 in the column 'b', got ''"),
        ("file,a,b\n1.jpg,1\n", r"line 2 of labels_csv has 2 fields and the first line 3"),
        (",file,a\n0,1.jpg,1\n7,2.jpg,1\n", r"line 3 of labels_csv must have 0 or 1 in the column '', got '7'"),
        ("file,a,a\n1.jpg,1,1\n", r"labels_csv must have one column for each class, got 2 of 'a'"),
        ("file,split\n1.jpg,train\n", r"labels_csv must have a column labels, or a column of 0 and 1"),
        ("name,a\n1.jpg,1\n", r"labels_csv must have the column file"),
        ("file,a,b\n1.jpg,1,0\n2.jpg,1,0\n", r".*labels.csv: no training image shows b: add some"),
        ("file,labels\n1.jpg,\n2.jpg,\n", r".*labels.csv: needs images with labels, found none with a label"),
        ("file,labels\n1.jpg,a\n1.jpg,b\n", r"labels_csv names 1.jpg twice: as a \(train\) in line 2 and as b"),
        ("file,labels\n4.jpg,a\n", r"line 2 of labels_csv names a file that does not exist"),
        ("file,labels,split\n1.jpg,a,kept\n", r"labels_csv gives 1.jpg the split 'kept' in line 2"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, text, message):
    touch(tmp_path, "1.jpg", "2.jpg")
    with pytest.raises(UserError, match=f"^{message}") as caught:
        label_sets_csv.read(write_csv(tmp_path / "labels.csv", text), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", [{"image_dir": "photos"}, {"records": "shards"}])
def test_images_of_one_class_each_are_refused_with_the_way_out(where):
    with pytest.raises(UserError, match=r"^task must be single with .* got multi: name the images .* --labels_csv"):
        DataConfig(task="multi", **where)


def test_a_separator_is_for_several_labels():
    with pytest.raises(UserError, match=r"^label_separator must be a text such as ; and is for task=multi"):
        DataConfig(labels_csv="labels.csv", label_separator=";")


def test_a_source_has_a_row_of_labels_for_each_image(photo_folder, tmp_path):
    files = sorted(path.relative_to(photo_folder).as_posix() for path in photo_folder.rglob("train/*/*.*"))
    assert len(files) >= 60
    rows = [f"{name},{k % 2},{int(k % 3 == 0)}" for k, name in enumerate(files)]
    table = write_csv(tmp_path / "labels.csv", "\n".join(["file,even,third", *rows]))
    config = DataConfig(task="multi", labels_csv=table, image_dir=str(photo_folder), data_dir=str(tmp_path))
    source = open_source(config)
    assert source.class_names == ("even", "third")
    assert set(source.held_out) == {"validation", "test"}
    expected = dict(row.split(",", 1) for row in rows)
    for split in source.splits.values():
        assert split.labels.shape == (len(split), 2)
        assert split.labels.dtype == np.float32
        assert [f"{int(a)},{int(b)}" for a, b in split.labels] == [expected[name] for name in split.names]
        assert (split.labels.sum(axis=0) > 0).all()
    assert sum(map(len, source.splits.values())) == len(files)
