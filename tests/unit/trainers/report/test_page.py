"""The page of a run: what stands in it, that it is whole, small and safe, and that the same files give it again."""

import json
import re
import shutil

import numpy as np
import pytest

from ftdata.errors import UserError
from tests import ROOT
from tests.tools import finished_run
from tests.tools.html_page import Parsed
from trainers.evaluation import figures, tiles
from trainers.models.class_names import in_a_line
from trainers.report import charts, page
from trainers.rundir.run_dir import RunDir

_NASTY = ("<script>alert(1)</script>", 'a & b "c"')
_FETCHING = ("src", "href", "srcset", "data", "action", "poster", "background", "xlink:href")


def read(root):
    """The page of a folder, taken apart."""
    page.write(RunDir(root))
    return Parsed((root / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The page of a run with everything that there can be, and its text."""
    root = finished_run.make_run(tmp_path_factory.mktemp("whole") / "run", group_pattern="(x)")
    finished_run.add_evaluation(root)
    finished_run.add_estimate(root)
    finished_run.add_findings(root)
    finished_run.add_exports(root)
    return read(root), (root / "report.html").read_text(encoding="utf-8")


def headings(parsed):
    """The addresses of the sections."""
    return [values["id"] for values in parsed.all("h2")]


def test_the_structure_is_sound(whole):
    parsed, text = whole
    assert parsed.mistakes == []
    assert parsed.all("html") == [{"lang": "en"}]
    assert all(values["alt"] for values in parsed.all("img"))
    assert len(parsed.all("img")) == 4
    assert len(parsed.all("caption")) == len(parsed.all("table"))
    assert all(values.get("scope") in ("row", "col") for values in parsed.all("th"))
    assert text.startswith("<!DOCTYPE html>")


def test_nothing_is_fetched(whole):
    parsed, text = whole
    for name in _FETCHING:
        assert all(value.startswith(("data:image/", "#")) for value in parsed.values(name))
    assert parsed.all("script") == parsed.all("link") == []
    assert "url(" not in text
    assert "@import" not in text
    (policy,) = [values for values in parsed.all("meta") if values.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


def test_the_first_screen_says_how_good_and_whether_to_trust_it(whole):
    said = " ".join(whole[0].text.split())
    assert "Test accuracy 75.0% 95% interval 59.8% to 85.8% 40 test images" in said
    assert "Expected on new groups, in the mean 50.0% 95% interval 30.0% to 70.0% 2 groups left out in turn" in said
    assert "which is 25 points less than the 75.0%" in said
    assert "A single one, which is one place, camera or day, may have" in said
    assert "Do not count on the higher number" in said
    assert "9 validation images (20.0%) look like a training image" in said


def test_every_section_is_there(whole):
    assert headings(whole[0]) == [
        *("groups", "mistakes", "confused", "classes", "next", "better", "speed", "exports", "calibration"),
        *("precision-recall", "none-of-these", "samples", "doctor", "settings", "versions"),
    ]
    assert "1.00 MiB" in whole[0].text
    assert "Of 50 rendered things, 6.0% are taken for one of the classes" in whole[0].text
    assert "With the temperature 1.300, which exports apply, it is 2.0%" in whole[0].text


def test_what_is_not_there_is_left_out_and_the_command_named(tmp_path):
    root = finished_run.make_run(tmp_path / "my runs" / "one", phases=("transfer",))
    parsed = read(root)
    assert not {"groups", "none-of-these", "doctor", "exports"} & set(headings(parsed))
    assert headings(parsed)[-1] == "missing"
    folder = f"'{root}'"
    assert f"python -m trainers.main --model_dir={folder} --phase=evaluate" in parsed.text
    assert f"--image_dir=photos --model_dir={folder} --phase=estimate --group_pattern=PATTERN" in parsed.text
    assert f"--image_dir=photos --model_dir={folder} --phase=check" in parsed.text
    assert "the number holds for images like these only" in " ".join(parsed.text.split())
    assert parsed.mistakes == []


def test_an_estimate_alone_has_a_page(tmp_path):
    finished_run.add_estimate(tmp_path)
    parsed = read(tmp_path)
    assert "Expected on new groups, in the mean" in parsed.text
    assert "groups" in headings(parsed)
    assert f"python -m trainers.main --image_dir=FOLDER --model_dir={tmp_path} --phase=finetune" in parsed.text
    assert parsed.mistakes == []


def test_numbered_folds_are_no_groups(tmp_path):
    root = finished_run.make_run(tmp_path / "run", phases=("transfer",), folds="2")
    for name in ("1", "2"):
        fold = root / "folds" / name
        (fold / "transfer").mkdir(parents=True)
        shutil.copyfile(root / "transfer/history.csv", fold / "transfer/history.csv")
        shutil.copyfile(root / "config.json", fold / "config.json")
    said = " ".join(read(root).text.split())
    assert "No groups were named" in said
    assert "Images left out in turn" in said
    assert "New groups" not in said
    assert "epoch of transfer" in said


def test_a_flag_stays_in_one_line_with_its_dashes(tmp_path):
    root = finished_run.make_run(tmp_path / "run", phases=("transfer",))
    page.write(RunDir(root))
    text = (root / "report.html").read_text(encoding="utf-8")
    assert 'named (<span class="flag">--group_pattern</span>), so' in text
    assert '<span><span class="flag">--phase</span>=evaluate</span>' in text
    assert ".flag { white-space: nowrap; }" in text
    assert "&lt;span" not in text


def test_epochs_that_tie_and_few_steps_are_said(tmp_path):
    root = finished_run.make_run(tmp_path / "run", phases=("transfer",))
    history, metrics = root / "transfer/history.csv", root / "transfer/metrics.json"
    history.write_text(history.read_text() + "3,0.4,0.9,0.6,0.8,0.001\n")
    metrics.write_text(json.dumps({**json.loads(metrics.read_text()), "step": 2}))
    said = " ".join(read(root).text.split())
    assert "epoch 2 kept, of 2 that tie (2, 3) the one of the lowest validation loss" in said
    assert "transfer was too short to tell what held it back: 2 steps." in said
    assert "input-bound" not in said


def test_a_search_is_a_table_of_what_was_tried(tmp_path):
    root = finished_run.make_run(tmp_path / "run")
    finished_run.add_search(root)
    parsed = read(root)
    assert "search" in headings(parsed)
    said = " ".join(parsed.text.split())
    assert re.search(r"MobileNetV2 0.35, plain\s*3\s*75.0%\s*60.0% to 90.0%\s*2.0 min\s*chosen", said)
    assert "gives 73.8%, 1.2 points less" in said


def test_what_folds_left_out_comes_before_a_smaller_test_set(tmp_path):
    root = finished_run.make_run(tmp_path / "run")
    finished_run.add_folds(root)
    parsed = read(root)
    assert parsed.mistakes == []
    said = " ".join(parsed.text.split())
    first, second = (said.index(f"Confusion matrix, the {what}") for what in ("60 training images", "40 test images"))
    assert first < second < said.index("Accuracy on what each fold left out")
    assert len([values for _, values in parsed.tags if values.get("class") == "matrix"]) == 2
    for title in ("Reliability, ", "Each class against the rest, "):
        assert said.index(f"{title}60 images left out by the folds") < said.index(f"{title}40 test images")
    assert "With the temperature 0.500" in said
    assert "Images of cat, of which" not in said  # 93.3 % of 30, and of dog no more than chance gives


def test_where_the_run_lay_is_said_once_it_was_moved(tmp_path):
    root = finished_run.make_run(tmp_path / "run")
    assert "The folder of the run was" not in read(root).text
    root.rename(tmp_path / "moved")
    said = " ".join(read(tmp_path / "moved").text.split())
    assert f"The folder of the run was {root} then and is {tmp_path / 'moved'} now" in said


def test_every_share_has_one_decimal(whole):
    said = re.sub("<[^>]+>", " ", whole[1].partition("<body>")[2]).replace("95% interval", "")
    shares = re.findall(r"[\d.]+%", said)
    whole_ones = {share for share in shares if "." not in share}
    assert len(shares) > 60
    assert whole_ones <= {f"{share}%" for share in range(0, 101, 5)}  # at axes
    assert all(re.fullmatch(r"\d+\.\d%", share) for share in {*shares} - whole_ones)


def test_names_are_text(tmp_path):
    root = finished_run.make_run(tmp_path / "<b>run</b>", _NASTY)
    finished_run.add_findings(root)
    for name in ("evaluation/predictions.csv", "check.json"):
        content = (root / name).read_text().replace("test/0.jpg", "<img src=x onerror=alert(1)>")
        (root / name).write_text(content.replace("cat 20", "</pre><script>"))
    parsed = read(root)
    assert parsed.mistakes == []
    assert parsed.all("script") == []
    assert all(set(values) & {"alt"} for values in parsed.all("img"))
    for name in (*_NASTY, "<b>run</b>", "<img src=x onerror=alert(1)>", "</pre><script>"):
        assert name in parsed.text


@pytest.mark.parametrize("name", ["line\nbreak", "\udcff", "a" * 300, "日本 😀", "%s {{ 7 * 7 }}"])
def test_any_class_name_will_do(name, tmp_path):
    parsed = read(finished_run.make_run(tmp_path / "run", (name, "other")))
    assert parsed.mistakes == []
    assert in_a_line(name) in parsed.text


def test_the_same_files_give_the_same_bytes(whole, tmp_path):
    root = finished_run.make_run(tmp_path / "run")
    page.write(RunDir(root))
    first = (root / "report.html").read_bytes()
    for path in root.rglob("*"):
        path.touch()
    page.write(RunDir(root))
    assert (root / "report.html").read_bytes() == first
    (root / "check.json").write_text(json.dumps({"lines": {"data": ["other"]}}))
    page.write(RunDir(root))
    assert (root / "report.html").read_bytes() != first


def test_many_classes_and_large_figures_stay_small(tmp_path):
    names = [f"class {k} with a name that is longer than most" for k in range(500)]
    root = finished_run.make_run(tmp_path / "run", names, images=1000)
    finished_run.add_evaluation(root)
    finished_run.add_estimate(root)
    figures = ("samples", "finetune/augmented", "evaluation/mistakes", "evaluation/grad_cam")
    for name in (*figures, *(f"estimate/{name}" for name in ("hardest_group", "learning_curve", "label_errors"))):
        finished_run.image(root / f"{name}.png", side=1000)
    parsed = read(root)
    assert len(parsed.all("img")) == 7
    assert (root / "report.html").stat().st_size < 5_000_000
    assert parsed.mistakes == []


@pytest.mark.parametrize(("count", "is_large"), [(8, False), (9, True)])
def test_a_large_confusion_matrix_comes_after_the_curves_without_shares(count, is_large, tmp_path):
    root = finished_run.make_run(tmp_path / "run", [f"class {k}" for k in range(count)])
    parsed = read(root)
    assert parsed.mistakes == []
    (matrix,) = [place for place, (_, values) in enumerate(parsed.tags) if "matrix" in values.get("class", "")]
    (curve,) = [place for place, (_, values) in enumerate(parsed.tags) if values.get("id") == "curve-loss-title"]
    assert (matrix > curve) is is_large
    assert (len(parsed.all("small")) == 0) is is_large


def test_a_figure_that_is_damaged_is_left_out(tmp_path):
    root = finished_run.make_run(tmp_path / "run")
    (root / "samples.png").write_bytes(b"no image")
    half = (root / "finetune/augmented.png").read_bytes()[:3000]
    (root / "finetune/augmented.png").write_bytes(half)
    assert "samples" not in headings(read(root))


def test_a_failure_is_one_line_and_nothing_more(tmp_path, capsys):
    root = finished_run.make_run(tmp_path / "run")
    assert page.refresh(RunDir(root))
    before = (root / "report.html").read_bytes()
    (root / "config.json").write_text("{")
    assert not page.refresh(RunDir(root))
    said = capsys.readouterr().out
    assert said.startswith(f"warning: {root / 'report.html'} was not written")
    assert said.count("\n") == 1
    assert (root / "report.html").read_bytes() == before
    with pytest.raises(UserError, match="is damaged"):
        page.write(RunDir(root))


def test_it_is_outdated_when_a_file_is_newer(tmp_path):
    root = finished_run.make_run(tmp_path / "run")
    assert page.is_outdated(RunDir(root))
    page.write(RunDir(root))
    assert not page.is_outdated(RunDir(root))
    finished_run.add_findings(root)
    assert page.is_outdated(RunDir(root))


def test_an_evaluation_of_other_images_does_not_replace_the_test_set(tmp_path):
    root = finished_run.make_run(tmp_path / "run")
    finished_run.add_evaluation(root)
    path = root / "evaluation/metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data_set": "elsewhere", "test_accuracy": 0.1}))
    said = " ".join(read(root).text.split())
    assert "Test accuracy 75.0%" in said
    assert "The last evaluation was of images of elsewhere with the model of finetune: accuracy 10.0%" in said


def test_a_grid_becomes_images_with_text(tmp_path):
    root = finished_run.make_run(tmp_path / "run")
    captions = [f"true: cat\npredicted: <dog> {k}" for k in range(3)]
    grid = tiles.image_grid(np.zeros((3, 8, 8, 3), np.uint8), captions, title="test set: 3 of 40 wrong")
    figures.save(grid, root / "evaluation/mistakes.png")
    parsed = read(root)
    assert parsed.mistakes == []
    shown = [values["alt"] for values in parsed.all("img") if values["alt"].startswith("Image ")]
    assert shown[2] == "Image 3: true: cat\\npredicted: <dog> 2"
    assert "The most confident mistakes (test set: 3 of 40 wrong)" in parsed.text
    assert "predicted: <dog> 1" in parsed.text


def test_labels_are_readable_on_a_phone():
    style = (ROOT / "trainers/report/templates/style.css").read_text(encoding="utf-8")
    phone = style.partition("@media (max-width: 40rem)")[2]
    sizes = [int(size) for size in re.findall(r"\.chart text[^{]*\{ font-size: (\d+)px", phone)]
    assert len(sizes) == 2
    assert min(sizes) * (390 - 2 * 16) / charts.WIDTH >= 11
