"""What a report says of a run of several labels an image: thresholds, temperatures, and what folds have chosen."""

import json
import re

import pytest

from tests.tools import finished_run
from tests.tools.html_page import Parsed
from trainers.evaluation import label_temperatures
from trainers.report import card_quality, page, several_labels, summary
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir

_NAMES = ("cat", "dog")


@pytest.fixture
def root(tmp_path):
    return finished_run.make_label_run(tmp_path / "run", group_pattern="(x)")


def change(root, **values):
    """Gives the final phase other metrics; returns the run."""
    path = root / "finetune/metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return RunFiles.read(RunDir(root))


def test_thresholds_of_few_images_are_warned_of(root):
    blocks = several_labels.classes(RunFiles.read(RunDir(root)))
    chosen, warning = (block for block in blocks if block.kind == "text" and "threshold" in block.text)
    assert "the one with the best F1 on the 40 validation images, drawn towards 1/2" in chosen.text
    assert warning.is_warning
    assert "dog (4 of 40: " in warning.text


def test_temperatures_are_said_with_what_they_bring(root):
    said = several_labels.probabilities(RunFiles.read(RunDir(root)))
    assert "was not measured. No temperature is applied" in said.blocks[0].text  # by an earlier version
    by_class = {"cat": 1.5, "dog": 1.0}
    values = {"label_calibration_error": 0.2, "calibrated_label_calibration_error": 0.1}
    stored = {"chosen_on": "validation", "images": 40, "by_class": by_class}
    run = change(root, label_temperatures=stored, **values)
    text, table = several_labels.probabilities(run).blocks
    assert "is 20.0%, and 10.0% with the temperatures of the exports" in text.text
    assert label_temperatures.in_words(stored) in text.text
    assert list(table.rows) == [("cat", "1.500")]


def test_what_folds_chose_is_said(root):
    stored = json.loads((root / "finetune/metrics.json").read_text())["label_thresholds"] | {"chosen_on": "folds"}
    groups = {"group_map": {"a": 0.5, "b": 0.7, "c": 0.6, "d": 0.6}, "expected_new_group_map": 0.6}
    expected = {"expected_new_group_interval": [0.5, 0.7], "new_group_range": [0.4, 0.8]}
    run = change(root, chosen_among=3, label_thresholds=stored, **groups, **expected)
    assert "best F1 on the 40 left-out images" in str(several_labels.classes(run))
    assert summary.held_out(run).label == "mAP on images left out by the folds"
    trust = summary.trust(run)[0].text
    assert "expect a mAP of 60.0% in the mean over groups like these (50.0% to 70.0%)" in trust
    assert re.search(r"the [\d.]+% of \d+ test images[.:]", trust)
    assert summary.new_group(run).note.startswith("4 groups left out in turn")
    assert "in the mean over what the folds left out" in card_quality._chosen_by(run)
    parsed = Parsed(page.html(run))
    assert parsed.mistakes == []
    assert "mAP on each group, by the model that has not seen it (--folds)" in parsed.text
