import dataclasses
import os
import shutil

from ftdata.decoding import foreign
from ftdata.folders import folder, stored_tree, tree


def _names(root):
    return [os.path.relpath(os.path.join(place, name), root) for place, _, names in os.walk(root) for name in names]


def _same(one, two):
    fields = [field.name for field in dataclasses.fields(one) if field.name != "folders"]
    assert [getattr(one, name) for name in fields] == [getattr(two, name) for name in fields]
    assert list(one.folders) == list(two.folders)
    for name in one.folders:
        _same(one.folders[name], two.folders[name])


def test_the_names_of_files_make_the_tree_that_a_walk_finds(photo_folder, tmp_path):
    root = shutil.copytree(photo_folder, tmp_path / "photos")
    one = next((root / "train/red").iterdir())
    for name in (
        "train/red/sub/deep/x.jpg",
        "train/red/.hidden/x.jpg",
        "__MACOSX/x.jpg",
        "train/blue/without",
        "x.tif",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one, root / name)
    for name in (
        "run/config.json",
        "run/transfer/x.png",
        "empty/notes.txt",
        "Thumbs.db",
        "odd.xyz",
        "train/red/é.jpg",
        "train/red-2/x.jpg",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("text")
    asked = []

    def heads(names):
        asked.extend(names)
        return {name: (root / name).read_bytes()[: foreign.HEAD] for name in names}

    grown = stored_tree.grown(_names(root), heads)
    _same(grown, tree.walk(root))
    assert sorted(asked) == ["odd.xyz", "train/blue/without", "x.tif"]
    here, there = folder.scan(str(root)), folder.scan("s3://bucket/photos", top=grown)
    for split, files in here.splits.items():
        assert there.splits[split].names == files.names
        assert there.splits[split].paths == tuple(f"s3://bucket/photos/{name}" for name in files.names)
    assert there.notes == here.notes


def test_a_key_without_a_file_name_is_counted():
    top = stored_tree.grown(["a/x.jpg", "a//y.jpg", "a/../z.jpg"], dict.fromkeys)
    assert top.folders["a"].images == ["x.jpg"]
    assert top.others == {"no file name": 2}


def test_arrays_are_images_of_other_channels_than_three():
    assert stored_tree.grown(["a/x.npy"], dict.fromkeys, channels=5).folders["a"].images == ["x.npy"]
    assert stored_tree.grown(["a/x.npy"], dict.fromkeys).folders["a"].others == {".npy": 1}
