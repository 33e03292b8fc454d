"""Finding the images: three layouts of folders. More of them are in test_layout."""

import re

import numpy as np
import pytest

from ftdata.errors import UserError
from ftdata.folders import folder


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return str(root)


def rows(listing, split="train"):
    """{name: class name} of a split; the paths end in the names."""
    files = listing.splits[split]
    assert all(path.endswith(name) for path, name in zip(files.paths, files.names, strict=True))
    return dict(zip(files.names, (listing.class_names[label] for label in files.labels), strict=True))


def test_class_folders(tmp_path):
    listing = folder.scan(touch(tmp_path, "b/2.jpg", "b/1.jpg", "a/3.jpg"))
    assert listing.class_names == ("a", "b")
    assert list(listing.splits) == ["train"]
    files = listing.splits["train"]
    assert files.names == ("a/3.jpg", "b/1.jpg", "b/2.jpg")  # sorted, so that labels rise
    assert files.paths == tuple(str(tmp_path / name) for name in files.names)
    np.testing.assert_array_equal(files.labels, np.array([0, 1, 1], np.int32), strict=True)


def test_train_and_test_folders(tmp_path):
    listing = folder.scan(touch(tmp_path, "train/a/1.jpg", "train/b/2.jpg", "test/b/3.jpg", "other/c/4.jpg"))
    assert set(listing.splits) == {"train", "test"}
    assert rows(listing) == {"train/a/1.jpg": "a", "train/b/2.jpg": "b"}
    assert rows(listing, "test") == {"test/b/3.jpg": "b"}
    np.testing.assert_array_equal(listing.splits["test"].labels, [1])  # numbered as in training


@pytest.mark.parametrize("name", ["val", "validation"])
def test_validation_folder_under_either_name(tmp_path, name):
    listing = folder.scan(touch(tmp_path, "train/a/1.jpg", "train/b/2.jpg", f"{name}/a/3.jpg"))
    assert set(listing.splits) == {"train", "validation"}
    assert rows(listing, "validation") == {f"{name}/a/3.jpg": "a"}


def test_two_validation_folders_are_refused(tmp_path):
    names = ("train/a/1.jpg", "train/b/2.jpg", "val/a/3.jpg", "validation/a/3.jpg")
    with pytest.raises(UserError, match="holds both val/ and validation/"):
        folder.scan(touch(tmp_path, *names))


@pytest.mark.parametrize("name", ["test", "val", "validation"])
def test_a_split_beside_class_folders_is_no_class(tmp_path, name):
    with pytest.raises(UserError, match=f"holds {name}/ beside class folders: put the class folders into train/$"):
        folder.scan(touch(tmp_path, "a/1.jpg", "b/2.jpg", f"{name}/a/3.jpg", f"{name}/b/4.jpg"))
    listing = folder.scan(touch(tmp_path / "passes", "pass/1.jpg", f"{name}/2.jpg", f"{name}/may/3.jpg"))
    assert listing.class_names == tuple(sorted(("pass", name)))  # a class that happens to have that name


def test_test_folder_inside_each_class(tmp_path):
    listing = folder.scan(touch(tmp_path, "a/1.jpg", "a/test/2.jpg", "b/3.jpg", "b/test/4.jpg", "b/test/more/5.jpg"))
    assert rows(listing) == {"a/1.jpg": "a", "b/3.jpg": "b"}
    assert rows(listing, "test") == {"a/test/2.jpg": "a", "b/test/4.jpg": "b", "b/test/more/5.jpg": "b"}


def test_only_the_test_folder_at_the_top_of_a_class_is_set_apart(tmp_path):
    listing = folder.scan(touch(tmp_path, "a/1.jpg", "b/tuesday/test/2.jpg"))
    assert rows(listing) == {"a/1.jpg": "a", "b/tuesday/test/2.jpg": "b"}
    assert set(listing.splits) == {"train"}


def test_nested_folders_belong_to_their_class(tmp_path):
    listing = folder.scan(touch(tmp_path, "a/2024/may/1.jpg", "a/1.jpg", "b/2025/1.jpg"))
    assert rows(listing) == {"a/1.jpg": "a", "a/2024/may/1.jpg": "a", "b/2025/1.jpg": "b"}


def test_what_is_no_visible_image_is_passed_over(tmp_path):
    keep = ["a/1.JPG", "a/2.Jpeg", "a/3.PNG", "b/4.bmp", "b/5.gif", "b/6.webp", "b/7.jpeg"]
    hidden = ["a/._1.JPG", "a/.DS_Store", "a/.thumbnails/1.jpg", ".git/1.jpg", ".hidden/x.jpg"]
    others = ["a/notes.txt", "a/1.jpg.part", "a/jpg", "README.jpg", "empty/notes.txt"]
    assert list(rows(folder.scan(touch(tmp_path, *keep, *hidden, *others)))) == sorted(keep)


def test_names_keep_their_spaces_and_accents(tmp_path):
    listing = folder.scan(touch(tmp_path, "große Löffel/bild 1.jpg", "fourchettes/été.jpg"))
    assert listing.class_names == ("fourchettes", "große Löffel")
    assert listing.splits["train"].names == ("fourchettes/été.jpg", "große Löffel/bild 1.jpg")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "needs images of two classes or more, found none"),
        (["1.jpg", "2.jpg"], "holds 2 images and no class folders: put the images of each class into a folder"),
        (["a/1.txt", "b/2.txt"], "found none"),
        (["a/1.jpg"], "found only 'a'"),
        (["a/1.jpg", "b/readme.txt"], "found only 'a'"),
        (["train/a/1.jpg", "test/b/1.jpg"], "found only 'a'"),
        (["train/a/1.jpg", "train/b/1.jpg", "test/c/1.jpg", "test/d/1.jpg"], "test has classes .* images: c, d"),
        (["train/a/1.jpg", "train/b/1.jpg", "val/c/1.jpg"], "validation has classes without training images: c"),
        (["a/1.jpg", "b/1.jpg", "c/test/1.jpg"], "test has classes without training images: c"),
    ],
)
def test_folder_without_two_classes_to_learn_is_refused(tmp_path, names, message):
    with pytest.raises(UserError, match=f"^{re.escape(str(tmp_path))}: .*{message}"):
        folder.scan(touch(tmp_path, *names))


def test_refusal_names_the_layouts_and_the_endings(tmp_path):
    with pytest.raises(UserError, match=r"train/ and test/ .* test/ folder inside each class.*\.jpg, \.jpeg, .*\.png"):
        folder.scan(str(tmp_path))


def test_folder_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for name, reason in {"nowhere": "no such folder", "file": "it is a file"}.items():
        with pytest.raises(UserError, match=rf"^image_dir must be a folder, got '.*': {reason}$"):
            folder.scan(str(tmp_path / name))
