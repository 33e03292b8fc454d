"""The Python in README.md runs as it stands there, and what the pages name exists."""

import os
import re
import subprocess
import sys

import pytest

import flags
from tests import ROOT

_README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"^```python\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)
_PAGES = ["README.md", "BUILD.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
# Settings that make the whole job small enough for a test; everything else is README's.
_SMALL = """
import dataclasses
from trainers.config import ModelConfig, TrainingConfig

_run = trainers.run


def run(config):
    small = dataclasses.replace(config.data, image_size=32)
    model = ModelConfig("vgg_nano", weights="objects")
    training = TrainingConfig(transfer_epochs=1, finetune_epochs=1, steps_per_epoch=2)
    return _run(dataclasses.replace(config, data=small, model=model, training=training))


trainers.run = run
"""


def test_the_blocks_show_the_whole_job_the_folder_and_the_layer():
    text = "\n".join(_BLOCKS)
    assert all(name in text for name in ("trainers.run(", "ftdata.load_folder(", "ftdata.RandomAffine(", "model.fit("))


def test_the_whole_job_in_python_has_the_settings_of_the_command():
    context = re.search(r"trainers\.run\((flags\.config\(.*?\))\)", _README)
    command = re.search(r"-m trainers\.main (--image_dir=\S+ --model_dir=\S+)\n", _README)
    assert eval(context[1], {"flags": flags}) == flags.train.parse(["main", *command[1].split()])[0]


_FOLDER_IS = "48 train, 12 validation and 15 test images in 3 classes (blue, green, red)"


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")  # Keras's own default, of which it warns
def test_the_folder_and_the_layer_run(photo_folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "FOLDER").symlink_to(photo_folder)
    monkeypatch.chdir(tmp_path)
    (block,) = (block for block in _BLOCKS if "load_folder(" in block)
    exec(block, {})
    assert _FOLDER_IS in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(_BLOCKS)))
def test_a_block_runs_in_a_process_of_its_own(number, photo_folder, tmp_path):
    (tmp_path / "FOLDER").symlink_to(photo_folder)
    block = _BLOCKS[number]
    if "trainers.run(" in block:  # with the network and the epochs of a test
        before, context, after = block.partition("metrics = trainers.run(")
        block = before + _SMALL + context + after
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", block]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    if "trainers.run(" in block:
        assert (tmp_path / "runs/mine/finetune/best.keras").is_file()
    if "load_folder(" in block:
        assert _FOLDER_IS in done.stdout


@pytest.mark.parametrize(("page", "most"), [("README.md", 110), ("BUILD.md", 60)])
def test_a_page_is_read_in_minutes(page, most):
    assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) <= most


def _anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", _PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", _PAGES)
def test_files_that_are_named_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w./*-])((?:ftdata|trainers|flags|benchmarks|tests|docs|\.ci)/[\w./-]*)", text)
    missing = {path for path in paths if not (ROOT / path.rstrip(".")).exists()}
    modules = re.findall(r"python -m ((?:ftdata|trainers|benchmarks|tests)[\w.]*)", text)
    missing |= {module for module in modules if not (ROOT / f"{module.replace('.', '/')}.py").is_file()}
    own = re.findall(r"`([\w-]+\.(?:md|toml|txt)|Makefile)`", text)
    here = {path.name for path in ROOT.iterdir()}
    written = {"bad_images.txt", "receipt_images.txt", "labels.txt", "report.txt", "MODEL_CARD.md"}  # by a run
    written |= {"key.txt"}  # in a shard
    assert not missing | (set(own) - here - written)


def test_names_are_in_the_modules_that_the_pages_say():
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in _PAGES)
    rows = re.findall(r"`(\w+)` in\s+`([\w/]+\.py)`", text)
    wrong = []
    for name, path in rows:
        code = (ROOT / path).read_text(encoding="utf-8")
        if not re.search(rf"^(class |def )?{name}\b", code, re.MULTILINE):
            wrong.append((name, path))
    assert len(rows) > 25
    assert not wrong


@pytest.mark.parametrize("package", ["ftdata", "trainers", "benchmarks", "tests"])
def test_the_map_has_a_line_for_each_wing(package):
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.search(rf"^\| `{package}/`[^\n]*\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL)[1]
    named = set(re.findall(r"^\| `(\w+)/` \|", rows, re.MULTILINE))
    wings = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    assert named == wings
