"""The notebooks in docs/notebooks, Python files in jupytext's percent format, are whole and run."""

import ast
import os
import re
import subprocess
import sys

import pytest

from tests import ROOT

_NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.py"))
_CELL = re.compile(r"^# %%(?: \[(markdown)\])?$", re.MULTILINE)


def _cells(path):
    """(kind, text) of each cell; what stands before the first is the header."""
    _, *parts = _CELL.split(path.read_text(encoding="utf-8"))
    return [(kind or "code", text.strip()) for kind, text in zip(parts[::2], parts[1::2], strict=True)]


def _run(path, folder, **environment):
    """What a notebook prints, as a plain script in few steps."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "NOTEBOOK_QUICK": "1", **environment}
    done = subprocess.run(
        [sys.executable, path], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_two_notebooks_are_there():
    assert [path.stem for path in _NOTEBOOKS] == ["knives_forks_spoons", "your_own_loop"]


@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_titled_text_and_python(path):
    cells = _cells(path)
    assert cells[0][0] == "markdown"
    assert cells[0][1].startswith("# # ")
    for kind, text in cells:
        if kind == "markdown":
            assert all(line.startswith("#") for line in text.splitlines())
        else:
            assert ast.parse(text).body


@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_takes_from_the_packages_exists(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [statement for statement in tree.body if isinstance(statement, ast.Import | ast.ImportFrom)]
    names = {}
    exec(compile(ast.Module(imports, []), path.name, "exec"), names)
    taken = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    ours = [(name, attribute) for name, attribute in taken if name in ("flags", "ftdata", "pipeline", "trainers")]
    assert ("ftdata", "open_source") in ours
    assert [(name, attribute) for name, attribute in ours if not hasattr(names[name], attribute)] == []


@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_jupytext_reads_the_same_cells(path):
    jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed")
    read = [(cell.cell_type, cell.source) for cell in jupytext.read(path).cells]
    assert [kind for kind, _ in read] == [kind for kind, _ in _cells(path)]
    assert [text for kind, text in read if kind == "code"] == [text for kind, text in _cells(path) if kind == "code"]


@pytest.mark.slow
def test_the_story_of_the_seed_notebook_runs(tmp_path):
    printed = _run(ROOT / "docs/notebooks/knives_forks_spoons.py", tmp_path)
    assert "2543 training, 457 validation, 600 test images" in printed
    right = re.search(r"([\d.]+%) right, as in metrics.json: ([\d.]+%)", printed)
    assert right[1] == right[2]
    assert (tmp_path / "runs/knives_forks_spoons/evaluation/mistakes.png").is_file()


@pytest.mark.slow
def test_a_loop_of_ones_own_runs_on_the_embedded_data(tmp_path):
    printed = _run(ROOT / "docs/notebooks/your_own_loop.py", tmp_path)
    assert "2543 training, 457 validation, 600 test images" in printed
    assert re.search(r"test accuracy [\d.]+% of 600 images", printed)


@pytest.mark.slow
def test_a_loop_of_ones_own_runs_on_a_folder(tmp_path, photo_folder):
    printed = _run(ROOT / "docs/notebooks/your_own_loop.py", tmp_path, NOTEBOOK_FOLDER=str(photo_folder))
    assert "51 training, 9 validation, 15 test images" in printed
    assert re.search(r"test accuracy [\d.]+% of 15 images", printed)
