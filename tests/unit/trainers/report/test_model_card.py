"""MODEL_CARD.md of finished runs: whole, readable, and nothing in it that the files do not say."""

import dataclasses

import pytest

from tests.tools import finished_run, markdown_page
from trainers.report import model_card
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir

_FILES = {
    "saved_model": "saved_model",
    "keras": "model.keras",
    "litert": "model.tflite",
    "litert_int8": "model_int8.tflite",
    "onnx": "model.onnx",
    "openvino": "openvino",
}


def card_of(root, **values):
    return model_card.markdown(dataclasses.replace(RunFiles.read(RunDir(root)), **values))


@pytest.fixture
def run(tmp_path):
    root = finished_run.make_run(tmp_path / "mine", image_dir="/home/someone/secret/photos")
    finished_run.add_exports(root)
    return root


def section(text, title):
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_card_says_how_good_on_what(run):
    card = card_of(run)
    assert "Test accuracy: 75.0% (95% interval 59.8% to 85.8%), 40 test images." in card
    assert "The epoch was chosen by accuracy on the validation split, whose accuracy therefore reads too high" in card
    _, scores, per_class, *_ = markdown_page.tables(card)
    validation = ["Validation accuracy", "80.0%", "65.2% to 89.5%", "40 validation images, which also chose the epoch"]
    assert scores[-1] == validation
    assert per_class[0] == ["class", "precision", "recall", "F1", "images"]
    assert [row[0] for row in per_class[1:]] == ["cat", "dog"]


def test_it_begins_with_what_model_hubs_read(run):
    yaml = pytest.importorskip("yaml")
    front = yaml.safe_load(card_of(run).split("---\n")[1])
    assert front["license"] == "TODO"
    assert front["tags"] == ["image-classification", "litert"]
    assert front["metrics"] == ["accuracy", "f1"]


def test_names_are_read_as_they_were_written(tmp_path):
    names = ["a|b", "<b>", "`x`"]
    root = finished_run.make_run(tmp_path / "x_*y*", names)
    finished_run.add_exports(root, names)
    card = card_of(root)
    assert markdown_page.html(card) == []
    assert [row[0] for row in markdown_page.tables(card)[2][1:]] == names
    assert ["Classes", "3: a|b, <b>, `x`"] in markdown_page.tables(card)[0]
    assert markdown_page.prose(card)[0] == "x_*y*"
    assert any(line.startswith("Made for telling a|b, <b>, `x` apart") for line in markdown_page.prose(card))


def test_no_path_of_the_machine_is_in_it(run):
    finished_run.add_evaluation(run)
    finished_run.add_estimate(run)
    finished_run.add_findings(run)
    card = card_of(run)
    assert "/home" not in card
    assert str(run.parent) not in card
    assert "| Trained on | photos |" in card


def test_without_groups_it_is_not_known(run):
    said = section(card_of(run), "On a new group of images")
    assert said.strip() == (
        "> **Caution:** Not known: the images were not told apart by groups. On images from another place, camera or "
        "day the accuracy may be far lower."
    )


def test_with_groups_it_is_said_with_its_interval_and_range(run):
    finished_run.add_estimate(run)
    said = section(card_of(run), "On a new group of images")
    assert "50.0%, 95% interval 30.0% to 70.0% in the mean over groups like these" in said
    assert "a single new group 10.0% to 90.0%" in said
    assert "25 points less than the 75.0% of 40 test images" in said
    assert "| 01 | 40.0% |" in section(card_of(run), "Known failures")
    assert "On images of a new group expect about 50 wrong answers of 100." in card_of(run)


def test_by_folds_it_is_said_what_was_left_out(run):
    phases = RunFiles.read(RunDir(run)).phases
    groups = {"kitchen": 0.9, "cellar": 0.2, "garden": 0.7}
    found = {"test_accuracy": None, "per_class": None, "chosen_among": 3, "groups": groups}
    found |= {"expected_new_group_accuracy": 0.6, "expected_new_group_interval": None, "new_group_range": None}
    card = card_of(run, phases={**phases, "finetune": {**phases["finetune"], **found}})
    assert "Accuracy on images left out by the folds: 80.0%, the mean over the folds." in card
    scores = markdown_page.tables(card)[1]
    assert scores[1:] == [
        ["Accuracy on images left out by the folds", "80.0%", "not known", "the mean over the folds"],
        [
            "Expected on new groups, in the mean",
            "60.0%",
            "not known",
            "3 groups left out in turn; too few groups for an interval",
        ],
    ]
    assert "The hardest of 3 groups left out in turn, judged by models that had not seen them:" in card
    assert markdown_page.tables(card)[3][1:] == [["cellar", "20.0%"], ["garden", "70.0%"], ["kitchen", "90.0%"]]


def test_leaks_are_known_failures(run):
    finished_run.add_findings(run)
    said = section(card_of(run), "Known failures")
    assert "9 validation images (20.0%) look like a training image" in said
    assert "| cat taken for dog | 10 | 50.0% |" in said


def test_calibration_before_and_after_the_temperature(run):
    said = section(card_of(run), "Calibration")
    assert "on the 40 test images: " in said
    assert "before the temperature, " in said
    assert "Exports divide scores by the temperature 1.300, fitted on 40 held-out images." in said


def test_calibration_on_other_images_is_not_this_ones(run):
    evaluation = {**RunFiles.read(RunDir(run)).evaluation, "data_set": "elsewhere"}
    said = section(card_of(run, evaluation=evaluation), "Calibration")
    assert said.strip().startswith("How far probabilities can be trusted was not measured on the test set.")


def test_none_of_these_is_said_with_what_it_misses(run):
    finished_run.add_evaluation(run)
    finished_run.add_exports(run, none_of_these={"coverage": 0.9, "images": 20})
    said = section(card_of(run), "None of these")
    assert "90.0% of the images of a new group are still taken for one of them" in said
    assert "12.0% are refused" in said
    assert "Of 50 rendered things 6.0% are taken for one of the classes." in said
    assert "unlike = found" in card_of(run)


def test_the_model_of_an_unfinished_phase_gets_no_numbers_of_another(run):
    finished_run.add_exports(run, phase="pretrain")
    card = card_of(run)
    assert "It was exported before its training was finished" in card
    assert "75.0% (95%" not in card
    assert "## How good it is" not in card


def test_the_model_of_an_earlier_phase_gets_its_own_numbers(run):
    finished_run.add_exports(run, phase="transfer")
    training = section(card_of(run), "Training")
    assert "| transfer |" in training
    assert "| finetune |" not in training


def test_a_file_with_other_answers_is_marked(run):
    rows = RunFiles.read(RunDir(run)).exports["exports"]
    finished_run.add_exports(run, exports=[{**rows[0], "is_within": False}])
    assert "| model.tflite: NOT the answers of the model, do not use |" in card_of(run)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("unlike", [None, {"coverage": 0.9, "images": 20}])
def test_each_format_has_code_and_no_other(run, resize, unlike):
    finished_run.add_exports(run, files=_FILES, resize=resize, none_of_these=unlike)
    snippets = markdown_page.snippets(card_of(run))
    assert list(snippets) == ["saved_model", "model.keras", "model.tflite, model_int8.tflite", "model.onnx", "openvino"]
    for name, code in snippets.items():
        compile(code, name, "exec")
        assert name.partition(",")[0] in code
    finished_run.add_exports(run, files={"keras": "model.keras"})
    assert list(markdown_page.snippets(card_of(run))) == ["model.keras"]


def test_the_same_files_give_the_same_card(run):
    assert card_of(run) == card_of(run)


def test_a_card_that_cannot_be_written_is_a_warning(run, caplog):
    (run / "estimate").mkdir()
    (run / "estimate/metrics.json").write_text("{")
    assert not model_card.refresh(RunDir(run))
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"warning: {run}/export/MODEL_CARD.md was not written: UserError: ")
    assert "\n" not in line
