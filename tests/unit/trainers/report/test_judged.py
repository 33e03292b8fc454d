"""What folds left out and the test set, of literal runs: which comes first, and what is known of each."""

import dataclasses
import json

import numpy as np
import pytest

from ftdata.errors import UserError
from tests.tools import finished_run
from trainers.report import judged, new_groups
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir


def read(root):
    return RunFiles.read(RunDir(root))


@pytest.mark.parametrize(("each", "order"), [(30, ["left-out", "test"]), (10, ["test", "left-out"])])
def test_the_more_images_come_first(each, order, tmp_path):
    root = finished_run.make_run(tmp_path)
    finished_run.add_folds(root, each=each)
    assert [found.key for found in judged.answers(read(root))] == order
    first, second = judged.counts(read(root))
    assert [first.key, second.key] == order
    assert {first.images, second.images} == {2 * each, 40}


@pytest.mark.parametrize(("right", "found"), [((50, 95), ("cat", 0.5)), ((93, 95), None), ((100, 100), None)])
def test_the_weakest_class_is_one_where_chance_would_not_give_as_few(right, found, tmp_path):
    recall = dict(zip(("cat", "dog"), right, strict=True))
    per_class = {name: {"recall": share / 100, "support": 100} for name, share in recall.items()}
    matrix = [[recall["cat"], 100 - recall["cat"]], [100 - recall["dog"], recall["dog"]]]
    run = read(finished_run.make_run(tmp_path))
    metrics = {**run.metrics, "per_class": per_class, "confusion_matrix": matrix, "class_names": ["cat", "dog"]}
    weakest = judged.weakest(dataclasses.replace(run, phases={"finetune": metrics}))
    assert (weakest and weakest[:2]) == found


def test_the_images_that_were_left_out_have_names_and_groups(tmp_path):
    root = finished_run.make_run(tmp_path)
    finished_run.add_folds(root)
    found = judged.left_out(read(root))
    assert found.names[:2] == ["cat-01-0.jpg", "dog-01-1.jpg"]
    assert judged.groups(read(root), found).sizes.tolist() == [30, 30]


def test_a_list_of_other_images_is_not_taken_for_theirs(tmp_path):
    root = finished_run.make_run(tmp_path)
    finished_run.add_folds(root)
    path = root / "receipt_images.txt"
    path.write_text(path.read_text().replace('"cat"', '"dog"', 1))
    assert judged.left_out(read(root)).names is None


def test_without_folds_the_test_set_is_alone(tmp_path):
    run = read(finished_run.make_run(tmp_path))
    assert judged.left_out(run) is None
    assert [found.title for found in judged.answers(run)] == ["40 test images"]
    assert judged.weakest(run)[2] == "the 40 test images"


def test_groups_have_their_images_and_the_share_of_each_class(tmp_path):
    root = finished_run.make_run(tmp_path)
    finished_run.add_folds(root)
    path = root / "finetune/metrics.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({**metrics, "groups": {**metrics["groups"], "02": 0.5}}))
    (row,) = [block for block in new_groups.groups(read(root)).blocks if block.kind == "row"]
    chart, table = row.blocks
    assert chart.key == "folds"
    assert table.columns == ("group left out", "images", "accuracy", "cat", "dog")
    assert table.rows == [("02", "30", "50.0%", "93.3%", "93.3%"), ("01", "30", "93.3%", "93.3%", "93.3%")]


def test_without_a_list_the_folds_say_how_many_images_a_group_has(tmp_path):
    root = finished_run.make_run(tmp_path)
    finished_run.add_folds(root, listed=False)
    (row,) = [block for block in new_groups.groups(read(root)).blocks if block.kind == "row"]
    assert row.blocks[1].rows == [("01", "30", "93.3%"), ("02", "30", "93.3%")]


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_damaged_scores_are_named_with_the_way_out(content, tmp_path):
    root = finished_run.make_run(tmp_path)
    finished_run.add_folds(root)
    path = root / "folds/finetune_left_out.npy"
    if content is None:
        np.save(path, np.float32(1), allow_pickle=False)
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"finetune_left_out\.npy is damaged .*: remove it, and the same command"):
        judged.left_out(read(root))
