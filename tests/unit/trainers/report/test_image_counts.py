"""How many images each class and group has, of literal lists."""

import pytest

from tests.tools import finished_run
from trainers.report import image_counts
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir

_IMAGES = [
    *(("train", "cat", "cat-01-1.jpg"), ("train", "cat", "cat-02-1.jpg"), ("train", "dog", "dog-02-2.jpg")),
    *(("validation", "dog", "dog-03-1.jpg"), ("test", "cat", "cat-01-9.jpg")),
]


def run_of(root, images=None, class_names=("cat", "dog"), *, each=40, **settings):
    finished_run.make_run(root, class_names, images=each, **settings)
    if images:
        finished_run.add_list(root, images)
    return RunFiles.read(RunDir(root))


def test_classes_by_split_and_all(tmp_path):
    table = image_counts.by_class(run_of(tmp_path, _IMAGES))
    assert table.columns == ("class", "training", "validation", "test")
    assert table.rows == [("cat", "2", "0", "1"), ("dog", "1", "1", "0"), ("all", "400", "40", "40")]


def test_groups_by_split_and_their_training_images_by_class(tmp_path):
    table = image_counts.by_group(run_of(tmp_path, _IMAGES, group_pattern=r"-(\d+)-"))
    assert table.columns == ("group", "training", "validation", "test", "cat", "dog")
    assert table.rows == [
        ("01", "1", "0", "1", "1", "0"),
        ("02", "2", "0", "0", "1", "1"),
        ("03", "0", "1", "0", "0", "0"),
    ]


def test_without_a_list_the_scores_of_the_folds_count_the_training_images(tmp_path):
    finished_run.add_folds(finished_run.make_run(tmp_path), listed=False)
    run = RunFiles.read(RunDir(tmp_path))
    assert image_counts.by_class(run).rows == [("cat", "30", "20"), ("dog", "30", "20"), ("all", "60", "40")]
    assert image_counts.by_group(run) is None


@pytest.mark.parametrize("pattern", [None, r"(\d+)\.jpg$", "no such"])
def test_no_groups_and_groups_of_one_image_have_no_table(pattern, tmp_path):
    images = [("train", "cat", f"{number}.jpg") for number in range(5)]
    assert image_counts.by_group(run_of(tmp_path, images, group_pattern=pattern)) is None


def test_nothing_is_counted_where_nothing_is_listed(tmp_path):
    assert image_counts.by_class(run_of(tmp_path)) is None


def test_of_many_the_largest_and_the_smallest_are_shown(tmp_path):
    names = [f"class {number}" for number in range(30)]
    images = [("train", name, f"{name}-{k}-.jpg") for number, name in enumerate(names) for k in range(number + 1)]
    run = run_of(tmp_path, images, names, each=60, group_pattern=r"(\d+)-\d")
    table = image_counts.by_class(run)
    assert table.caption == "Images of each class: the 10 with most and the 10 with fewest of 30 classes"
    assert [row[1] for row in table.rows] == [*map(str, range(30, 20, -1)), *map(str, range(10, 0, -1)), "600"]
    groups = image_counts.by_group(run)
    assert groups.caption == "Images of each group: the 10 with most and the 10 with fewest of 30 groups"
    assert groups.rows[0] == ("29", "30")


def test_each_of_several_labels_is_counted(tmp_path):
    images = [("train", "cat + dog", "1"), ("train", "dog", "2"), ("train", "none", "3"), ("train", "cat + dog", "4")]
    table = image_counts.by_class(run_of(tmp_path, images, task="multi"))
    assert table.caption == "Images that show each class"
    assert [row[:2] for row in table.rows] == [("cat", "2"), ("dog", "3"), ("no label", "1"), ("all", "400")]


def test_a_class_may_be_called_like_two(tmp_path):
    images = [("train", "a + b", "1"), ("train", "a", "2")]
    table = image_counts.by_class(run_of(tmp_path, images, ("a", "a + b"), task="multi"))
    assert [row[:2] for row in table.rows] == [("a", "1"), ("a + b", "1"), ("all", "400")]
