"""The mean over folds, epoch by epoch, of literal histories."""

import dataclasses

import pytest

from tests.tools import finished_run
from trainers.report import curves, fold_means, summary
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir


@pytest.fixture
def run(tmp_path):
    finished_run.add_folds(finished_run.make_run(tmp_path))
    return RunFiles.read(RunDir(tmp_path))


def test_the_mean_of_each_epoch(run):
    (start, first) = fold_means.histories(run)["finetune"]
    assert (start["epoch"], start["validation_loss"], start["validation_balanced_accuracy"]) == (0, 1.0, None)
    assert start["validation_accuracy"] == pytest.approx(0.55)
    assert first["validation_accuracy"] == pytest.approx(0.75)


def test_of_several_averages_the_one_that_was_chosen(run):
    chosen = dataclasses.replace(run, phases={"finetune": {**run.metrics, "ema_decay": 0.9}})
    assert [row["validation_accuracy"] for row in fold_means.histories(chosen)["finetune"]] == [0.4, 0.6]


def test_folds_that_are_not_as_far_give_none(run):
    folds = {name: {} if name == "02-02" else histories for name, histories in run.folds.items()}
    assert fold_means.histories(dataclasses.replace(run, folds=folds)) == {}


def test_it_is_a_line_beside_the_curves(run):
    row, text = curves.curves(run)
    assert [line.name for line in row.blocks[1].lines][-1] == "left out, mean of 2 folds"
    assert "by which epoch 2 was chosen" in text.text
    assert [tick.text for tick in row.blocks[1].up][-1] == "80%"


def test_where_the_folds_chose_the_start_it_is_said(run):
    at_start = dataclasses.replace(run, phases={"finetune": {**run.metrics, "epoch": 0, "step": 0}})
    assert "by which the model that finetune starts from was chosen" in fold_means.in_words(at_start)
    assert summary.epoch_kept(at_start.metrics) == "the model that it started from kept"


def test_the_score_that_chose_is_a_line_too(run):
    folds = {
        name: {"finetune": [{**row, "validation_balanced_accuracy": 0.25} for row in fold["finetune"]]}
        for name, fold in run.folds.items()
    }
    phases = {"finetune": {**run.metrics, "monitor": "balanced_accuracy"}}
    (row, _) = curves.curves(dataclasses.replace(run, folds=folds, phases=phases))
    (line,) = [line for line in row.blocks[1].lines if line.name == "left out, balanced accuracy"]
    assert line.y == [0.25, 0.25]
