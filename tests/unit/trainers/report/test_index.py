"""The index of runs: its table, what it is sorted by, its links, and `--phase=report`."""

import base64
import hashlib
import json
import os

import pytest

from ftdata.errors import UserError
from tests.tools import finished_run
from tests.tools.html_page import Parsed
from trainers import experiment
from trainers.config import TrainConfig


def report(folder):
    """What `--phase=report` writes below a folder."""
    return experiment.run(TrainConfig(phase="report", model_dir=str(folder)))["report"]["written"]


@pytest.fixture
def runs(tmp_path):
    """Two runs, one in a folder of its own with a fold, and an estimate."""
    finished_run.make_run(tmp_path / "runs/b & c")
    inner = finished_run.make_run(tmp_path / "runs/deeper/a#1", phases=("transfer",), images=80)
    finished_run.make_run(inner / "folds/1-x")
    finished_run.add_estimate(tmp_path / "runs/guess")
    (tmp_path / "runs/foreign").mkdir()
    (tmp_path / "runs/foreign/config.json").write_text('{"model_type": "vit"}')
    for path in (tmp_path / "runs").rglob("metrics.json"):
        os.utime(path, (1e9, 1e9))
    return tmp_path / "runs"


def rows_of(parsed):
    """The cells of each run: what they are sorted by."""
    keys = [values["data-key"] for _, values in parsed.tags if "data-key" in values]
    return [keys[k : k + 10] for k in range(0, len(keys), 10)]


def test_a_row_for_each_run(runs):
    written = report(runs)
    assert written[-1] == str(runs / "index.html")
    assert sorted(written[:-1]) == sorted(str(runs / name / "report.html") for name in ("b & c", "deeper/a#1", "guess"))
    text = (runs / "index.html").read_text(encoding="utf-8")
    parsed = Parsed(text)
    assert parsed.mistakes == []
    first, second, third = rows_of(parsed)
    assert first[:4] == ["b & c", "photos", "efficientnetv2b0, 96x96", "finetune"]
    assert [float(key) for key in (first[4], *first[7:])] == [0.75, 123.4, 12.3, 1e9]
    assert second[0] == "deeper/a#1"
    assert third[3:5] == ["estimate", "0.95"]
    assert float(third[6]) == 0.5
    assert third[7:9] == ["", ""]  # nothing was trained
    assert "2001-09-09 01:46" in parsed.text
    assert parsed.values("href") == ["b%20%26%20c/report.html", "deeper/a%231/report.html", "guess/report.html"]


def test_of_several_labels_the_mean_average_precision_has_a_column_of_its_own(runs):
    report(runs)
    assert "mAP" not in (runs / "index.html").read_text(encoding="utf-8")
    finished_run.make_label_run(runs / "several")
    report(runs)
    parsed = Parsed((runs / "index.html").read_text(encoding="utf-8"))
    assert parsed.mistakes == []
    keys = [values["data-key"] for _, values in parsed.tags if "data-key" in values]
    rows = {keys[k]: keys[k : k + 11] for k in range(0, len(keys), 11)}
    metrics = json.loads((runs / "several/finetune/metrics.json").read_text())
    assert rows["several"][4:7] == ["", "", repr(metrics["test_map"])]
    assert rows["b & c"][4] == "0.75"
    assert rows["b & c"][6] == ""


def test_its_script_is_the_one_that_the_page_allows(runs):
    report(runs)
    text = (runs / "index.html").read_text(encoding="utf-8")
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in text or f"script-src 'sha256-{digest}'" in text
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")


def test_the_same_files_give_the_same_bytes_and_pages_are_kept(runs):
    report(runs)
    first = (runs / "index.html").read_bytes()
    assert report(runs) == [str(runs / "index.html")]
    assert (runs / "index.html").read_bytes() == first
    finished_run.add_findings(runs / "b & c")
    assert report(runs)[0] == str(runs / "b & c/report.html")


def test_a_run_that_is_damaged_is_named_and_left_out(runs, capsys):
    (runs / "b & c/config.json").write_text("{")
    report(runs)
    assert f"warning: {runs / 'b & c'} is left out" in capsys.readouterr().out
    assert len(rows_of(Parsed((runs / "index.html").read_text(encoding="utf-8")))) == 2


def test_a_class_and_a_folder_may_be_called_anything(tmp_path):
    root = finished_run.make_run(tmp_path / "<script>alert(1)<" / "run", image_dir="<i>photos")
    report(tmp_path)
    parsed = Parsed((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert parsed.mistakes == []
    assert len(parsed.all("script")) == 1
    assert "<i>photos" in parsed.text
    assert (root / "report.html").is_file()


def test_the_folder_of_a_run_gets_its_page_alone(runs):
    assert report(runs / "guess") == [str(runs / "guess/report.html")]
    assert not (runs / "index.html").exists()


@pytest.mark.parametrize("name", [".", "nowhere"])
def test_a_folder_without_runs_is_one_line(tmp_path, name):
    with pytest.raises(UserError) as caught:
        report(tmp_path / name)
    said = str(caught.value)
    assert "\n" not in said
    assert "holds no run" in said
    assert "--model_dir" in said
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_run_is_one_line(tmp_path):
    root = finished_run.make_run(tmp_path / "run")
    (root / "finetune/metrics.json").write_text(json.dumps({"phase": "finetune"})[:-3])
    with pytest.raises(UserError, match=r"metrics\.json is damaged"):
        report(root)
