"""A real TensorBoard, read back over HTTP."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from tests.configs import make_config
from trainers import experiment


@pytest.fixture(scope="module")
def board(photo_folder, tmp_path_factory):
    """The address of a TensorBoard over the logs of a run."""
    model_dir = tmp_path_factory.mktemp("run")
    config = make_config(photo_folder, model_dir, transfer_epochs=1, finetune_epochs=1)
    runtime = dataclasses.replace(config.runtime, profile_steps=(1, 2))
    experiment.run(dataclasses.replace(config, runtime=runtime))
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        f"--logdir={model_dir / 'logs'}",
        "--port=0",
        "--host=127.0.0.1",
    ]
    process = subprocess.Popen([*command, "--load_fast=false"], stderr=subprocess.PIPE, text=True)
    address = None
    while address is None:
        line = process.stderr.readline()
        assert line, "TensorBoard ended"
        address = re.search(r"http://127.0.0.1:\d+", line)
    yield address.group(), model_dir
    process.terminate()
    process.wait()
    process.stderr.close()


def _get(board, path, until=lambda answer: answer):
    """The JSON at `path`, asked for until the event files are loaded."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"{board[0]}/data/plugin/{path}") as response:
                answer = json.load(response)
            if until(answer):
                return answer
        except urllib.error.HTTPError:  # a run that is not loaded yet
            pass
        time.sleep(0.2)
    pytest.fail(f"nothing at {path}")


def test_scalars_of_both_phases_and_splits(board):
    tags = _get(board, "scalars/tags", until=lambda answer: len(answer) == 6)
    parts = ("train", "validation", "hparams")
    assert set(tags) == {f"{phase}/{part}" for phase in ("transfer", "finetune") for part in parts}
    training = {"loss", "accuracy", "learning_rate", "images_per_second", "input_wait_fraction", "epoch_loss"}
    assert training <= set(tags["finetune/train"])
    assert {"epoch_loss", "epoch_accuracy"} <= set(tags["finetune/validation"])
    points = _get(board, "scalars/scalars?run=finetune/train&tag=loss")
    assert [step for _, step, _ in points] == [2]  # 3 steps, a point every 2
    assert all(0 < value < 10 for _, _, value in points)


def test_pictures_of_augmented_images_confusion_matrix_and_mistakes(board):
    tags = _get(board, "images/tags", until=lambda answer: len(answer) == 4)
    assert "training_images" in tags["transfer/train"]
    assert {"confusion_matrix", "test_confusion_matrix", "test_mistakes"} <= set(tags["finetune/validation"])
    entry = _get(board, "images/images?run=finetune/validation&tag=test_confusion_matrix&sample=0")[0]
    with urllib.request.urlopen(f"{board[0]}/data/plugin/images/individualImage?{entry['query']}") as response:
        assert response.read(8) == b"\x89PNG\r\n\x1a\n"


def test_the_configuration_as_text(board):
    entries = _get(board, "text/text?run=transfer/train&tag=configuration")
    assert "finetune_learning_rate" in entries[0]["text"]


def test_profiled_steps_are_written(board):
    assert list((board[1] / "logs/finetune/train").rglob("*.xplane.pb"))


@pytest.fixture(scope="module")
def browser():
    """The command of a browser that needs no screen."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        pytest.skip(f"no browser is here: {', '.join(names)}")
    return [found, "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def _page(board, browser, name, folder):
    """A page as it is drawn, uint8 [height, width, 3], without its header and its list of runs."""
    picture, profile = folder / "page.png", folder / "profile"
    how = ["--window-size=1500,1100", "--virtual-time-budget=60000", f"--user-data-dir={profile}"]
    command = [*browser, *how, f"--screenshot={picture}", f"{board[0]}/?darkMode=false#{name}"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(picture) as page:
        return np.asarray(page.convert("RGB"))[120:, 360:]


@pytest.mark.slow
def test_a_browser_draws_curves_and_pictures(board, browser, tmp_path):
    _get(board, "scalars/scalars?run=finetune/validation&tag=epoch_accuracy")
    curves = _page(board, browser, "scalars", tmp_path)
    of_the_runs = [(255, 112, 67), (0, 119, 187), (204, 51, 17), (51, 187, 238)]  # the first colours of the page
    assert sum(np.all(curves == color, axis=-1).sum() > 20 for color in of_the_runs) >= 2
    pictures = _page(board, browser, "images", tmp_path)
    is_of_the_matrix = np.all(np.abs(pictures.astype(int) - (8, 55, 117)) < 12, axis=-1)  # the darkest of Blues
    assert is_of_the_matrix.sum() > 1000
