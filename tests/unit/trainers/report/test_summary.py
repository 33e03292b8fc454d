"""What the first screen says of literal numbers."""

import dataclasses

import pytest

from tests.tools import finished_run
from trainers.report import curves, summary
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir


def run_with(root, *, settings=None, **metrics):
    """A run whose final phase has other metrics."""
    run = RunFiles.read(RunDir(finished_run.make_run(root, **(settings or {}))))
    return dataclasses.replace(run, phases={"finetune": {**run.metrics, **metrics}})


@pytest.mark.parametrize(
    ("expected", "said", "warns"),
    [
        (0.5, "25 points less than the 75.0% of 40 test images. Do not count on the higher number", True),
        (
            0.74,
            "expect 74.0% in the mean over groups like these, which is about as much as the 75.0% of 40 test images",
            False,
        ),
        (
            0.9,
            "which is 15 points more than the 75.0% of 40 test images: those are few",
            False,
        ),
    ],
)
def test_with_an_expectation_it_is_compared(expected, said, warns, tmp_path):
    (text,) = summary.trust(run_with(tmp_path, expected_new_group_accuracy=expected, groups={"a": 0.5}))
    assert said in text.text
    assert text.is_warning is warns


def test_without_groups_the_number_is_for_images_like_these(tmp_path):
    (text,) = summary.trust(run_with(tmp_path))
    assert "No groups were named (--group_pattern), so the number holds for images like these only" in text.text
    assert text.is_warning


def test_with_groups_alone_it_is_not_known(tmp_path):
    (text,) = summary.trust(run_with(tmp_path, settings={"group_pattern": "(x)"}))
    assert "how much groups differ was not measured" in text.text


def test_images_that_were_trained_on_are_said(tmp_path):
    texts = summary.trust(run_with(tmp_path, test_images_trained_on=7))
    assert texts[-1].text == "7 of the test images are training images too: the accuracy reads too high."


def test_without_a_test_set_the_validation_split_counts(tmp_path):
    score = summary.accuracy(run_with(tmp_path, test_accuracy=None))
    assert (score.label, score.accuracy) == ("Validation accuracy", 0.8)
    assert score.interval == pytest.approx((0.652, 0.895), abs=1e-3)  # 32 of 40


def test_without_both_what_the_folds_left_out(tmp_path):
    score = summary.accuracy(run_with(tmp_path, test_accuracy=None, chosen_among=3))
    assert score.label == "Accuracy on images left out by the folds"
    assert score.interval is None


def test_the_folds_come_before_the_estimate(tmp_path):
    finished_run.add_estimate(tmp_path)
    by_estimate = summary.new_group(run_with(tmp_path))
    assert by_estimate.accuracy == 0.5
    assert "by heads on the frozen backbone, not by this model" in by_estimate.note
    by_folds = summary.new_group(
        run_with(tmp_path, expected_new_group_accuracy=0.6, expected_new_group_interval=None, groups={"a": 0.6})
    )
    assert (by_folds.accuracy, by_folds.interval) == (0.6, None)
    assert "too few groups for an interval" in by_folds.note


def test_both_phases_are_on_one_axis(tmp_path):
    run = RunFiles.read(RunDir(finished_run.make_run(tmp_path)))
    ((loss, accuracy),) = [row.blocks for row in curves.curves(run)]
    assert [line.name for line in loss.lines] == ["training (augmented)", "validation"]
    assert accuracy.lines[1].x == [0, 1, 2, 2, 3, 4]
    assert accuracy.lines[1].y == [0.3, 0.6, 0.8] * 2
    assert [text for _, text in accuracy.switches] == ["transfer", "finetune"]


def test_two_epochs_are_a_table_without_empty_columns(tmp_path):
    run = RunFiles.read(RunDir(finished_run.make_run(tmp_path)))
    rows = [{"epoch": 1, "loss": 0.5361, "accuracy": 0.88, "validation_loss": None}, {"epoch": 2, "loss": 0.4}]
    (table,) = curves.curves(dataclasses.replace(run, histories={"transfer": [{"epoch": 0}], "finetune": rows}))
    assert table.columns == ("phase", "training loss", "training accuracy")
    assert table.rows == [("finetune, epoch 1", "0.536", "88.0%"), ("finetune, epoch 2", "0.400", "-")]
    assert curves.curves(dataclasses.replace(run, histories={"transfer": [{"epoch": 0}]})) == []
