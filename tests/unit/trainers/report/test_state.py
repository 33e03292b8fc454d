"""What a page says of a run that is not finished, or that ended before its last epoch."""

import json

import pytest

from tests.tools import finished_run
from trainers.report import next_steps, state, summary
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir


def read(root):
    return RunFiles.read(RunDir(root))


def started(root, *, epochs=None):
    """A run whose transfer is finished and whose fine-tuning is not: `epochs` of 10 are done, None for no start."""
    finished_run.make_run(root, finetune_epochs=10, transfer_epochs=2)
    (root / "finetune/metrics.json").unlink()
    history = root / "finetune/history.csv"
    if epochs is None:
        history.unlink()
        return root
    lines = history.read_text().splitlines()
    history.write_text("\n".join(lines[: 2 + epochs]) + "\n")
    (root / "finetune/best.keras").write_bytes(b"weights")
    return root


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_an_unfinished_phase_is_said_with_its_epochs_and_what_is_taken(epochs, tmp_path):
    run = read(started(tmp_path, epochs=epochs))
    (text,) = state.unfinished(run)
    assert text.is_warning
    assert f"finetune has done {epochs} of 10 epochs" in text.text
    assert "The numbers on this page are those of transfer." in text.text
    assert "Predict, evaluate and export take the best epoch of finetune so far" in text.text
    assert "the model of transfer is the last one finished" in dict(summary.facts(run))["Trained"]
    (rest,) = [
        block for block in next_steps.missing(run).blocks if getattr(block, "about", "") == "The end of finetune"
    ]
    assert rest.line.endswith("--phase=finetune")


def test_a_phase_that_has_not_begun_is_said(tmp_path):
    run = read(started(tmp_path))
    (text,) = state.unfinished(run)
    assert text.text.startswith("Not finished: finetune has not begun; it is still running, or it was stopped")
    assert "best epoch" not in text.text


def test_of_a_finished_run_nothing_is_said(tmp_path):
    run = read(finished_run.make_run(tmp_path, finetune_epochs=2, transfer_epochs=2))
    assert state.unfinished(run) == []
    assert dict(summary.facts(run))["Trained"] == (
        "transfer (epoch 2 kept) and finetune (epoch 2 kept); the model of finetune is the final one"
    )


def test_a_phase_that_stopped_early_says_after_how_many_epochs(tmp_path):
    root = finished_run.make_run(tmp_path, finetune_epochs=10, transfer_epochs=2)
    assert "finetune (epoch 2 kept, stopped early after 2 of 10 epochs)" in dict(summary.facts(read(root)))["Trained"]
    path = root / "finetune/metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "chosen_among": 10}))  # folds chose where it ends
    assert "early" not in dict(summary.facts(read(root)))["Trained"]


def test_where_the_last_epoch_was_the_best_more_are_advised(tmp_path):
    advice = "More epochs: the last one was the best (--finetune_epochs)."
    for name, epochs, is_said in (("all", 2, True), ("early", 10, False)):
        run = read(finished_run.make_run(tmp_path / name, finetune_epochs=epochs, transfer_epochs=2))
        assert (advice in [text.text for text in next_steps.improve(run).blocks]) is is_said
