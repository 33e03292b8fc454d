"""A run of two thousand classes: every command ends, and no file or screen is for each pair of them."""

import csv
import json
import subprocess
import sys

import pytest

from benchmarks.harness import small_images
from tests import ROOT

_CLASSES = 2_000


def _run(**settings):
    command = [sys.executable, "-m", "trainers.main", *(f"--{name}={value}" for name, value in settings.items())]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr[-2_000:]
    return run.stdout


@pytest.mark.slow
def test_a_run_of_two_thousand_classes(tmp_path):
    images, model_dir = tmp_path / "images", tmp_path / "run"
    small_images.write(images, count=3 * _CLASSES, classes=_CLASSES)
    where = {"model_dir": model_dir, "data_dir": tmp_path / "data"}
    data = {**where, "image_dir": images, "image_size": 32, "backbone": "vgg_nano", "weights": "none"}
    training = {**data, "transfer_epochs": 1, "steps_per_epoch": 20, "batch_size": 64}
    said = _run(**training, phase="check")
    assert f"... {_CLASSES - 8} more classes" in said
    said = _run(**training, phase="transfer")
    assert len(said.splitlines()) < 120
    said = _run(**where, phase="evaluate")
    assert len(said.splitlines()) < 120
    metrics = json.loads((model_dir / "evaluation/metrics.json").read_text())
    assert metrics["confusion_matrix"] is None
    tested = sum(count for _, _, count in metrics["confusion_cells"])
    assert _CLASSES <= tested < 2 * _CLASSES  # one or two of each
    with (model_dir / "evaluation/predictions.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert len(rows) == 1 + tested
    assert {len(row) for row in rows} == {13}
    said = _run(**where, phase="predict", images=images / "class_0000[0-4]" / "*.jpg", json="true")
    answers = [json.loads(line) for line in said.splitlines()]
    assert [len(answer["top"]) for answer in answers] == [5] * 15
    of_class = {row[0]: row[2] for row in rows[1:]}
    both = [answer for answer in answers if answer["file"].split("images/")[1] in of_class]
    assert both
    assert all(of_class[answer["file"].split("images/")[1]] == answer["predicted"] for answer in both)
    said = _run(**data, phase="estimate")
    assert "of discriminant analysis, as the classes are many" in said
    assert len(said.splitlines()) < 60
    estimated = json.loads((model_dir / "estimate/metrics.json").read_text())
    assert (estimated["folds"], estimated["confusion_matrix"]) == (3, None)
    _run(**where, phase="export", export_formats="saved_model")
    labels = (model_dir / "export/labels.txt").read_text().splitlines()
    assert (len(labels), labels[-1]) == (_CLASSES, "class_01999")
    sizes = {path: path.stat().st_size for path in model_dir.rglob("*") if path.is_file()}
    for name in ("report.html", "export/MODEL_CARD.md", "evaluation/metrics.json", "evaluation/report.txt"):
        assert sizes[model_dir / name] < 5_000_000, name
