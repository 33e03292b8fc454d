"""Where the test images come from, of literal names."""

import json

import pytest

from tests.tools import finished_run
from tests.tools.html_page import Parsed
from trainers.report import curves, page, provenance
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir

_TEST = {"test/cat/a-01-1.jpg": "cat", "test/dog/a-01-2.jpg": "dog", "test/dog/a-02-1.jpg": "dog"}


def run_of(root, test, train=None, **settings):
    """A run whose receipt lists these images, by name."""
    finished_run.make_run(root, **settings)
    if train is not None:
        named = [("train", train), ("test", test)]
        finished_run.add_list(root, [(split, of, name) for split, images in named for name, of in images.items()])
    return RunFiles.read(RunDir(root))


def said_of(run):
    ((term, said),) = provenance.facts(run)
    assert term == "Test images"
    return said


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"cat/b-03-1.jpg": "cat"}, "by group: 01 2, 02 1, of which training has none"),
        (
            {"cat/b-01-1.jpg": "cat"},
            "by group: 01 2, 02 1; training has images of 01 too: if these are the same places",
        ),
        (
            {"x-01-1.jpg": "cat", "x-02-1.jpg": "cat"},
            "02 1; training has images of all of them too: if these are the same places or days",
        ),
    ],
)
def test_whether_training_has_their_groups(train, said, tmp_path):
    run = run_of(tmp_path, _TEST, train, group_pattern=r"-(\d+)-")
    found = said_of(run)
    assert found.startswith("3 from test/cat, test/dog, which hold no training image; by class: cat 1, dog 2; ")
    assert said in found


def test_what_was_held_out_is_said(tmp_path):
    run = run_of(tmp_path, {"cat/1.jpg": "cat", "dog/2.jpg": "dog"}, {"cat/3.jpg": "cat", "dog/4.jpg": "dog"})
    assert said_of(run) == "2 held out of the folders of the training images (cat, dog); 1 of each class (cat, dog)"


def test_without_a_receipt_the_predictions_name_them(tmp_path):
    found = said_of(run_of(tmp_path, {}, group_pattern=r"(\d)\."))
    assert found.startswith("40 from test; 20 of each class (cat, dog); 4 of each group (0, 1, 2, 3, 4, 5 and 4 more)")
    assert found.endswith("; whether training has them too is not recorded")


def test_a_pattern_that_matches_no_test_image_makes_no_table(tmp_path):
    run = run_of(tmp_path, {}, group_pattern="(x)")
    assert said_of(run).endswith("; each a group of its own")
    assert provenance.test_images(run) is None


def test_predictions_of_other_images_are_not_the_test_set(tmp_path):
    run_of(tmp_path, {})
    path = tmp_path / "evaluation/metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data_set": "elsewhere"}))
    assert provenance.facts(RunFiles.read(RunDir(tmp_path))) == []


def test_a_damaged_list_is_passed_over(tmp_path):
    run_of(tmp_path, {})
    (tmp_path / "receipt_images.txt").write_text("no table")
    assert said_of(RunFiles.read(RunDir(tmp_path))).startswith("40 from test")


def test_groups_have_a_table_and_all_stands_in_the_first_screen(tmp_path):
    run_of(tmp_path, _TEST, {"b-01-1.jpg": "cat"}, group_pattern=r"-(\d+)-")
    page.write(RunDir(tmp_path))
    parsed = Parsed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert parsed.mistakes == []
    said = "".join(parsed.text.split())
    assert "groupimagescatdogintrainingtoo01211yes02101no" in said
    assert said.index("Testimages3from") < said.index("Dataphotos")


def test_a_thousand_classes_are_counted(tmp_path):
    images = {f"{k}/{n}.jpg": f"class {k}" for k in range(1000) for n in range(1 + k % 2)}
    said = said_of(run_of(tmp_path, images, {}))
    assert said.startswith("1,500 from 0, 1, 10, 100, 101, 102 and 994 more; 1 to 2 of each of 1,000 class")


def test_of_several_labels_the_images_that_show_each_class_are_counted(tmp_path):
    test = {"test/1.jpg": "cat + dog", "test/2.jpg": "dog", "test/3.jpg": "none"}
    run = run_of(tmp_path, test, {"train/1.jpg": "cat"}, task="multi")
    run.metrics["per_class"] = {"cat": {"support": 1}, "dog": {"support": 2}}
    assert said_of(run).endswith("by what they show: cat 1, dog 2; 1 show none")
    run.metrics["per_class"] = {str(number): {"support": number} for number in range(1, 11)}
    assert said_of(run).endswith("1 to 10 show each of the 10 classes; 1 show none")


def test_the_classes_of_many_are_counted_in_english(tmp_path):
    test = {f"test/{number}.jpg": str(number % 9) for number in range(10)}
    assert said_of(run_of(tmp_path, test, {"train/1.jpg": "0"})).endswith("1 to 2 of each of 9 classes")


def test_with_several_labels_the_curve_of_accuracy_says_what_it_is(tmp_path):
    (row,) = curves.curves(run_of(tmp_path / "multi", {"1.jpg": "cat"}, task="multi"))
    assert [chart.title for chart in row.blocks] == ["Loss", "Every label right"]
    (row,) = curves.curves(run_of(tmp_path / "single", {"1.jpg": "cat"}))
    assert [chart.title for chart in row.blocks] == ["Loss", "Accuracy"]
