"""The page and the figure from literal results."""

import json

import pytest
from PIL import Image

from benchmarks import report
from benchmarks.harness import chart, results


def _row(name, median, ratio, **further):
    rates = {"median": median, "p10": median * 0.9, "p90": median * 1.1}
    row = {"name": name, "batch_size": 8, "images_per_second": rates, "repeats": 5, "vs_baseline": ratio}
    return row | further


_RESULT = {
    "hardware": "16 cores of AMD EPYC; NVIDIA H200",
    "software": "Python 3.11.7, TensorFlow 2.21.0, Keras 3.15.1",
    "date": "2026-11-23",
    "command": "python -m benchmarks.augmentation --image_dir=...",
    "question": "Augmentation",
    "left_out": "Decoding is not included.",
    "rows": [_row("base", 100.0, 1.0), _row("ours", 2500.0, 25.0, of_peak=0.25)],
}


def test_a_table_has_a_column_for_every_further_key():
    assert results.table(_RESULT["rows"]).splitlines() == [
        "| way | batch | images/s (median) | p10 - p90 | rounds | against baseline | of peak |",
        "|---|---|---|---|---|---|---|",
        "| base | 8 | 100 | 90 - 110 | 5 | 1.00 |  |",
        "| ours | 8 | 2,500 | 2,250 - 2,750 | 5 | 25.00 | 0.25 |",
    ]


def test_the_page_names_the_hardware_the_date_and_what_is_left_out():
    text = report.page({"augmentation": _RESULT}, figure="h.png")
    assert text.startswith("# 16 cores of AMD EPYC; NVIDIA H200, 2026-11-23\n")
    for part in ("](h.png)", "## Augmentation\n\n`python -m benchmarks.augmentation --image_dir=...`\n"):
        assert part in text
    assert text.endswith("| 0.25 |\n\nDecoding is not included.\n")


def test_the_page_is_made_of_results_that_are_there(tmp_path, capsys):
    (tmp_path / "augmentation.json").write_text(json.dumps(_RESULT))
    report.main(["report", f"--results={tmp_path}", f"--output={tmp_path / 'page'}"])
    assert {file.suffix for file in (tmp_path / "page").iterdir()} == {".md", ".png"}
    with pytest.raises(SystemExit):
        report.main(["report", f"--results={tmp_path / 'page'}"])
    assert "results must be a folder with" in capsys.readouterr().err


def test_several_runs_of_one_benchmark_are_sections_of_the_page(tmp_path):
    for name in ("train_step-b", "train_step-a", "augmentation", "trainer"):
        (tmp_path / f"{name}.json").write_text(json.dumps({**_RESULT, "question": name}))
    report.main(["report", f"--results={tmp_path}", f"--output={tmp_path / 'page'}"])
    page = next((tmp_path / "page").glob("*.md")).read_text()
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## augmentation",
        "## train_step-a",
        "## train_step-b",
    ]


def test_a_command_is_shown_without_the_paths_of_the_machine():
    argv = ["/home/me/benchmarks/train_step.py", "--json=/tmp/x", "--image_dir=/home/me/photos", "--image_size=160"]
    shown = results.command([*argv, "--weights=none"])
    assert shown == "python -m benchmarks.train_step --image_dir=... --image_size=160 --weights=none"


@pytest.mark.parametrize(
    ("hardware", "stem"),
    [
        ("16 cores of Intel Xeon; NVIDIA H200", "h200"),
        ("8 cores of x; Tesla T4, Tesla T4", "t4"),
        ("2 cores of AMD EPYC 9B14 (Zen 4); no GPU", "2_cores_amd_epyc_9b14_zen_4"),
    ],
)
def test_files_are_named_after_the_hardware(hardware, stem):
    assert report.file_stem(hardware) == stem


def test_the_figure_is_a_png_as_high_as_its_bars(tmp_path):
    chart.draw({"augmentation": _RESULT}, tmp_path / "one.png")
    chart.draw({"augmentation": {**_RESULT, "rows": _RESULT["rows"] * 10}}, tmp_path / "ten.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "ten.png") as ten:
        assert one.format == "PNG"
        assert one.width == ten.width > 800
        assert ten.height > 3 * one.height


def test_json_has_the_form_that_scripts_rely_on(tmp_path, capsys):
    results.publish(_RESULT["rows"], question="q", excluded="l", json_file=str(tmp_path / "out.json"))
    written = json.loads((tmp_path / "out.json").read_text())
    assert {"hardware", "software", "date", "rows"} <= set(written)
    assert written["rows"] == _RESULT["rows"]
    assert "| ours | 8 | 2,500 |" in capsys.readouterr().out
