"""Classes of any name in every file that is written."""

import csv
import json

import numpy as np
import pytest

from trainers.evaluation import figures, reports, scores
from trainers.evaluation.scores import Evaluation
from trainers.models import class_names

_NAMES = (
    *("true", "file", "predicted", "class true", "accuracy", "macro avg", "_hidden", "$5", "a$b$\\frac", "a,b"),
    *('say "x"', "=1+1", "café", "two\nlines", "bell\x07", "next\x85line", "par\u2029", "bytes\udcff", " ", "a/b"),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    generator = np.random.default_rng(0)
    scored = Evaluation(generator.normal(size=(60, len(_NAMES))), np.arange(60) % len(_NAMES))
    images = np.zeros((60, 8, 8, 3), np.uint8)
    metrics = {"class_names": list(_NAMES), **reports.scores(scored, _NAMES)}
    drawn = reports.drawings(scored, _NAMES, lambda places: images[places], title="the $test$ of a_b$")
    drawn["precision_recall"] = figures.precision_recall(scored, _NAMES, scores.average_precision(scored), title="$")
    reports.write_report(folder, scored, names=[f"{k}.jpg" for k in range(60)], metrics=metrics, drawn=drawn)
    return folder, scored, drawn


def test_predictions_have_a_column_of_its_own_for_every_class(written):
    folder, scored, _ = written
    with (folder / "predictions.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        header, *rows = csv.reader(stream)
    assert len(set(header)) == len(header) == 3 + len(_NAMES)
    assert header[:3] == ["file", "true", "predicted"]
    assert header[3:7] == ["class class true", "class file", "class predicted", "class true"]
    assert tuple(header[7:]) == _NAMES[4:]
    for number, row in enumerate(rows):
        assert row[:3] == [f"{number}.jpg", _NAMES[number % len(_NAMES)], _NAMES[scored.predicted[number]]]
        np.testing.assert_allclose([float(value) for value in row[3:]], scored.probabilities[number], atol=1e-6)


def test_every_class_is_told_apart_in_metrics_and_report(written):
    folder, _, _ = written
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["per_class"]) == metrics["class_names"] == list(_NAMES)
    report = (folder / "report.txt").read_text(encoding="utf-8")
    assert {"two\\nlines", "bell\\x07", "bytes\\xff"} <= {word.strip() for word in report.split("  ")}


def test_figures_draw_names_as_they_are(written):
    _, _, drawn = written
    texts = [text.get_text() for text in drawn["precision_recall"].axes[0].get_legend().get_texts()]
    assert len(texts) == 10  # none that begins with an underscore is lost
    ticks = [text.get_text() for text in drawn["confusion_matrix"].axes[0].get_xticklabels()]
    assert ticks[7] == "\\$5"  # which matplotlib draws as $5
    assert figures.as_image(drawn["mistakes"]).ndim == 3


def test_a_labels_file_has_a_line_for_every_class():
    text = class_names.as_lines(_NAMES)
    assert len(text.splitlines()) == len(text.encode("utf-8").decode().splitlines()) == len(_NAMES)
    assert class_names.of_lines(text)[:13] == list(_NAMES[:13])
    assert class_names.of_lines("a\r\nb\u2028c\r\n") == ["a", "b\u2028c"]
