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
    assert "1 image listed there stay in the test set, which measures what it measured" in left.notes
    assert "1 file listed there are not among the images: elsewhere.jpg" in left.notes
    assert len(left.train) == len(whole.train) - 1


def test_where_no_test_set_comes_along_what_is_listed_is_not_held_out_either(photo_folder, tmp_path):
    alone = shutil.copytree(photo_folder / "train", tmp_path / "alone")
    settings = DataConfig(image_dir=str(alone), validation_fraction=0.2, data_dir=str(tmp_path))
    before = open_source(settings)
    left, _ = _opened(alone, tmp_path, f"file\n{before.test.names[0]}\n")
    assert before.test.names[0] not in left.test.names + left.train.names + left.validation.names


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name\na.jpg\n", "exclude_csv must have the column file, got "),
        (
            "file\na.jpg\nb.jpg\n",
            "exclude_csv lists none of the images: .* begins with 'a.jpg', and names here are ",
        ),
        ("file,label\na.jpg\n", "line 2 of exclude_csv has 1 fields and the first line 2"),
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


def test_an_empty_list_leaves_out_nothing(whole, photo_folder, tmp_path):
    left, _ = _opened(photo_folder, tmp_path, "file\n")
    assert left.train.names == whole.train.names
