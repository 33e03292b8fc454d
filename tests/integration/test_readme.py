"""The Python in README.md runs as it stands there."""

import os
import re
import subprocess
import sys

import pytest

import flags
from tests import ROOT

_BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
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
    text = (ROOT / "README.md").read_text()
    context = re.search(r"trainers\.run\((flags\.config\(.*?\))\)", text)
    command = re.search(r"-m trainers\.main (--image_dir=\S+ --model_dir=\S+)\n", text)
    assert eval(context[1], {"flags": flags}) == flags.train.parse(["main", *command[1].split()])[0]


_WHOLE_JOBS = [number for number, block in enumerate(_BLOCKS) if "trainers.run(" in block]


@pytest.mark.parametrize(
    "number",
    [pytest.param(number, marks=[pytest.mark.slow] * (number in _WHOLE_JOBS)) for number in range(len(_BLOCKS))],
)
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
        assert "('blue', 'green', 'red') 48 12 15" in done.stdout
