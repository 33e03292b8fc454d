"""`--exclude_csv`: what is listed is not trained on."""

import shutil

import pytest

from ftdata.config import DataConfig
from ftdata.errors import UserError
from ftdata.sources.source import open_source


def _opened(folder, tmp_path, text, **settings):
    table = tmp_path / "wrong.csv"
    table.write_text(text)
    settings = {"validation_fraction": 0.2, "data_dir": str(tmp_path), **settings}
    return open_source(DataConfig(image_dir=str(folder), exclude_csv=str(table), **settings)), table


@pytest.fixture
def whole(photo_folder, tmp_path):
    return open_source(DataConfig(image_dir=str(photo_folder), validation_fraction=0.2, data_dir=str(tmp_path)))


def test_what_is_listed_is_left_out_of_training_and_validation_and_the_rest_stays_where_it_was(
    whole, photo_folder, tmp_path
):
    gone = {whole.train.names[3], whole.train.names[17], whole.validation.names[2]}
    windows = next(iter(gone)).replace("/", "\\")
    table = f"label;File;note\nx;{windows};\n" + "".join(f"x;./{name};a\n" for name in gone)
    left, _ = _opened(photo_folder, tmp_path, table)
    for name in ("train", "validation"):
        before = whole.splits[name]
        assert left.splits[name].names == tuple(name for name in before.names if name not in gone)
    assert left.test.names == whole.test.names
    assert any(note.startswith("3 images listed in ") and note.endswith("are left out") for note in left.notes)


def test_a_test_set_of_its_own_stays_whole(whole, photo_folder, tmp_path):
    table = f"file\n{whole.test.names[0]}\n{whole.train.names[0]}\nelsewhere.jpg\n"
    left, _ = _opened(photo_folder, tmp_path, table)
    assert left.test.names == whole.test.names
    told = "\n".join(left.notes).replace(str(tmp_path / "wrong.csv"), "it")
    assert "1 image of the test set is listed in it and stays in it" in told
    assert "1 image listed in it is left out" in told
    assert "not among the images is what it lists as elsewhere.jpg" in told
    assert len(left.train) == len(whole.train) - 1


def test_the_test_set_that_is_held_out_stays_whole_too(photo_folder, tmp_path):
    alone = shutil.copytree(photo_folder / "train", tmp_path / "alone")
    before = open_source(DataConfig(image_dir=str(alone), validation_fraction=0.2, data_dir=str(tmp_path)))
    gone = before.validation.names[0]
    left, _ = _opened(alone, tmp_path, f"file\n{before.test.names[0]}\n{gone}\n")
    assert left.test.names == before.test.names
    assert gone not in left.train.names + left.validation.names
    assert len(left.train) + len(left.validation) == len(before.train) + len(before.validation) - 1


def test_odd_names_are_known_by_the_names_that_files_of_ours_give_them(photo_folder, tmp_path):
    folder = shutil.copytree(photo_folder, tmp_path / "odd")
    image = next((folder / "train/blue").iterdir())
    for name in ("at 5.00\u202fPM.jpg", "back\\slash.jpg", "cafe\u0301.jpg"):
        shutil.copy(image, image.with_name(name))
    whole = open_source(DataConfig(image_dir=str(folder), validation_fraction=0, data_dir=str(tmp_path)))
    odd = [name for name in whole.train.names if any(part in name for part in ("PM", "slash", "caf"))]
    assert len(odd) == 3
    left, _ = _opened(folder, tmp_path, "file\n" + "\n".join(odd), validation_fraction=0)
    assert not set(left.train.names) & set(odd)
    assert len(left.train) == len(whole.train) - 3


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name\na.jpg\n", "exclude_csv must have the column file, got "),
        (
            "file\na.jpg\nb.jpg\n",
            "exclude_csv must list images of this data set, whose names are like .*: its first file is 'a.jpg'",
        ),
        ("file,label\na.jpg\n", "line 2 of exclude_csv has 1 fields and the first line 2"),
        ("file\n", "exclude_csv must list images of this data set, .*: it lists no file"),
        ("file,label\n,cat\n", "line 2 of exclude_csv names no file"),
    ],
)
def test_what_cannot_be_used_is_one_line(photo_folder, tmp_path, table, message):
    with pytest.raises(UserError, match=message) as caught:
        _opened(photo_folder, tmp_path, table)
    assert "\n" not in str(caught.value)


def test_a_class_without_images_left_is_refused(whole, photo_folder, tmp_path):
    names = [name for name in (*whole.train.names, *whole.validation.names) if "blue" in name]
    with pytest.raises(UserError, match="^exclude_csv leaves no training image of blue$"):
        _opened(photo_folder, tmp_path, "file\n" + "\n".join(names))
