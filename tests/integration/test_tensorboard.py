"""What a run writes for TensorBoard: read back directly, and by a real TensorBoard over HTTP."""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

_RUNS = {f"{phase}/{part}" for phase in ("transfer", "finetune") for part in ("train", "validation", "hparams")}


@pytest.fixture(scope="module")
def written(run_alone):
    """The event files, as the loader of TensorBoard reads them."""
    return EventMultiplexer(tensor_size_guidance={"": 0}).AddRunsFromDirectory(run_alone.model_dir / "logs").Reload()


def _tags(written, run):
    return set(written.Runs()[run]["tensors"])


def test_scalars_of_both_phases_and_splits(written):
    assert set(written.Runs()) == _RUNS
    steps = {"loss", "accuracy", "learning_rate", "images_per_second", "input_wait_fraction"}
    assert {*(f"steps/{name}" for name in steps), "epoch/loss"} <= _tags(written, "finetune/train")
    assert {"epoch/loss", "epoch/accuracy"} <= _tags(written, "finetune/validation")
    points = written.Tensors("finetune/train", "steps/loss")
    assert [point.step for point in points] == [2, 4, 6]  # 6 steps, a point every 2
    assert all(0 < tf.make_ndarray(point.tensor_proto) < 10 for point in points)
    assert {
        written.SummaryMetadata(*place).plugin_data.plugin_name for place in [("finetune/train", "steps/loss")]
    } == {"scalars"}


def test_pictures_of_augmented_images_confusion_matrix_and_mistakes(written):
    assert "images/training_images" in _tags(written, "transfer/train")
    assert {f"images/{name}" for name in ("confusion_matrix", "test_confusion_matrix", "test_mistakes")} <= _tags(
        written, "finetune/validation"
    )
    (point,) = written.Tensors("finetune/validation", "images/test_confusion_matrix")
    assert point.tensor_proto.string_val[2].startswith(b"\x89PNG\r\n\x1a\n")  # after width and height


def test_a_layout_of_the_page_custom_scalars(written):
    assert "custom_scalars__config__" in _tags(written, "transfer/train")


def test_the_configuration_as_text(written):
    (point,) = written.Tensors("transfer/train", "configuration")
    assert b"finetune_learning_rate" in b"".join(point.tensor_proto.string_val)


def test_profiled_steps_are_written(run_alone):
    assert list((run_alone.model_dir / "logs/finetune/train").rglob("*.xplane.pb"))


@pytest.fixture(scope="module")
def board(run_alone):
    """The address of a TensorBoard over the logs of a run."""
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={run_alone.model_dir / 'logs'}"]
    process = subprocess.Popen(
        [*command, "--port=0", "--host=127.0.0.1", "--load_fast=false"], stderr=subprocess.PIPE, text=True
    )
    address = None
    while address is None:
        line = process.stderr.readline()
        assert line, "TensorBoard ended"
        address = re.search(r"http://127.0.0.1:\d+", line)
    yield address.group()
    process.terminate()
    process.wait()
    process.stderr.close()


def _get(board, path, until=lambda answer: answer):
    """The JSON at `path`, asked for until the event files are loaded."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"{board}/data/plugin/{path}") as response:
                answer = json.load(response)
            if until(answer):
                return answer
        except urllib.error.HTTPError:  # a run that is not loaded yet
            pass
        time.sleep(0.2)
    pytest.fail(f"nothing at {path}")


@pytest.mark.slow
def test_a_real_tensorboard_serves_scalars_pictures_and_text(board):
    assert set(_get(board, "scalars/tags", until=lambda answer: len(answer) == len(_RUNS))) == _RUNS
    points = _get(board, "scalars/scalars?run=finetune/train&tag=steps/loss")
    assert [step for _, step, _ in points] == [2, 4, 6]
    assert all(0 < value < 10 for _, _, value in points)
    tags = _get(board, "images/tags", until=lambda answer: len(answer) == 4)
    assert "images/training_images" in tags["transfer/train"]
    entry = _get(board, "images/images?run=finetune/validation&tag=images/test_confusion_matrix&sample=0")[0]
    with urllib.request.urlopen(f"{board}/data/plugin/images/individualImage?{entry['query']}") as response:
        assert response.read(8) == b"\x89PNG\r\n\x1a\n"
    entries = _get(board, "text/text?run=transfer/train&tag=configuration")
    assert "finetune_learning_rate" in entries[0]["text"]


@pytest.mark.slow
def test_a_real_tensorboard_shows_the_charts_to_look_at_first(board):
    layout = _get(board, "custom_scalars/layout", until=lambda answer: answer.get("category"))
    (category,) = layout["category"]
    assert [chart["title"] for chart in category["chart"]][:2] == ["loss", "accuracy"]
    (tag,) = category["chart"][0]["multiline"]["tag"]
    address = f"custom_scalars/scalars?run=finetune/validation&tag={urllib.parse.quote(tag)}"
    answer = _get(board, address, until=lambda found: found)
    assert answer["regex_valid"]
    points = answer["tag_to_events"]["epoch/loss"]
    assert [step for _, step, _ in points] == [0, 3, 6]


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
    command = [*browser, *how, f"--screenshot={picture}", f"{board}/?darkMode=false#{name}"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(picture) as page:
        return np.asarray(page.convert("RGB"))[120:, 360:]


@pytest.mark.slow
def test_a_browser_draws_curves_and_pictures(board, browser, tmp_path):
    _get(board, "scalars/scalars?run=finetune/validation&tag=epoch/accuracy")
    curves = _page(board, browser, "scalars", tmp_path)
    of_the_runs = [(255, 112, 67), (0, 119, 187), (204, 51, 17), (51, 187, 238)]  # the first colours of the page
    assert sum(np.all(curves == color, axis=-1).sum() > 20 for color in of_the_runs) >= 2
    pictures = _page(board, browser, "images", tmp_path)
    is_of_the_matrix = np.all(np.abs(pictures.astype(int) - (8, 55, 117)) < 12, axis=-1)  # the darkest of Blues
    assert is_of_the_matrix.sum() > 1000
