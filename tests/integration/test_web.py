"""The page of --export_formats=web in a headless Chromium, from a static server, with the network out of reach."""

import base64
import csv
import dataclasses
import io
import json
import os
import shutil
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ftdata.config import AugmentConfig, DataConfig
from ftdata.decoding.decode import Decoding
from ftdata.errors import UserError
from tests.tools import bad_files, chromium, odd_files
from trainers import experiment
from trainers.config import ModelConfig, RuntimeConfig, TrainConfig, TrainingConfig, UseConfig
from trainers.export.web import runtime

pytestmark = pytest.mark.slow  # trains, and starts browsers

_IS_READY = "document.getElementById('status').textContent === 'Ready.'"
_HAS_ANSWERED = "!!document.querySelector('#bars li') || !document.getElementById('error').hidden"
_FORGET = "document.getElementById('bars').replaceChildren(); document.getElementById('error').hidden = true"
_SHOWN = """({
  error: document.getElementById('error').hidden ? null : document.getElementById('error').textContent,
  answer: document.getElementById('answer').textContent,
  note: document.getElementById('note').hidden ? '' : document.getElementById('note').textContent,
  bars: [...document.querySelectorAll('#bars li')].map(
    (row) => [row.firstChild.textContent, Number(row.querySelector('data').value)]),
})"""
_TENSOR = """(async () => {
  const { open, squareOf } = await import("/pixels.js");
  const bytes = Uint8Array.from(atob("%s"), (character) => character.charCodeAt(0));
  const { bitmap, kind } = await open(new File([bytes], "photo"));
  const { pixels } = squareOf(bitmap, kind, %s);
  let text = "";
  for (let k = 0; k < pixels.length; k += 8192) text += String.fromCharCode(...pixels.subarray(k, k + 8192));
  return btoa(text);
})()"""


@pytest.fixture(scope="module")
def photos(real_photos, tmp_path_factory):
    """180 of the real photos to train on, and 51 to test with, 17 of each class."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("forky", "knifey", "spoony"):
        for split, pattern, count in (("train", f"{name}-*.jpg", 60), ("test", "test/*.jpg", 17)):
            (folder / split / name).mkdir(parents=True)
            files = sorted((real_photos / name).glob(pattern))
            for k in np.linspace(0, len(files) - 1, count).astype(int):
                shutil.copy(files[k], folder / split / name)
    return folder


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    """The model_dir of a small network in float32, with its evaluation and its page."""
    if chromium.executable() is None:
        pytest.skip("no Chromium is installed here")
    folder = os.environ.get("FTDATA_WEB_RUNTIME")
    try:
        runtime.read(folder)
    except UserError as error:
        pytest.skip(f"LiteRT.js is not here, and FTDATA_WEB_RUNTIME does not name its folder: {error}")
    model_dir = tmp_path_factory.mktemp("web") / "run"
    config = TrainConfig(
        phase="transfer",
        model_dir=str(model_dir),
        data=DataConfig(image_dir=str(photos), image_size=64, validation_fraction=0.2, resize="crop"),
        augment=AugmentConfig(augment=False),
        model=ModelConfig("vgg_nano", weights="objects", dropout=0.0),
        training=TrainingConfig(batch_size=16, transfer_epochs=3, transfer_learning_rate=1e-2),
        runtime=RuntimeConfig(mixed_precision="float32", distribution_strategy="one_device", tensorboard=False),
        use=UseConfig(export_formats=("web",), web_runtime=folder, none_of_these=0.8),
    )
    for phase in ("transfer", "evaluate", "export"):
        experiment.run(dataclasses.replace(config, phase=phase))
    return model_dir


@pytest.fixture(scope="module")
def browser(run):
    """The page, ready, and the address of its server."""
    with chromium.serving(run / "export/web") as address, chromium.page() as page:
        page.open(address)
        page.wait_for(_IS_READY)
        yield page, address


def _answer(page, path):
    page.value(_FORGET)
    page.choose("#file", path)
    page.wait_for(_HAS_ANSWERED)
    return page.value(_SHOWN)


def _tensor(page, content, decoding):
    settings = json.dumps(dataclasses.asdict(decoding))
    pixels = base64.b64decode(page.value(_TENSOR % (base64.b64encode(content).decode(), settings)))
    return np.frombuffer(pixels, np.uint8).reshape(decoding.image_size, decoding.image_size, 3)


def test_the_page_gives_the_predictions_of_the_evaluation(run, photos, browser):
    page, address = browser
    with open(run / "evaluation/predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    temperature = json.loads((run / "export/parity.json").read_text())["temperature"]
    assert len(rows) == 51
    differences = []
    for row in rows:
        given = dict(_answer(page, photos / row["file"])["bars"])
        expected = np.array([float(row[name]) for name in given]) ** (1 / temperature)
        differences.append(np.abs(np.array([*given.values()]) - expected / expected.sum()).max())
        assert max(given, key=given.get) == row["predicted"]
    assert max(differences) < 1e-4  # six digits are in the CSV; 0.02 is the promise
    assert all(request.startswith(address) for request in page.requests)
    assert page.problems == []


def test_whatever_the_photo_the_model_gets_the_pixels_of_the_training(photos, browser):
    page, _ = browser
    generator = np.random.default_rng(0)
    photo = Image.open(next(iter(sorted((photos / "test/knifey").iterdir()))))
    files = {}
    for width, height in ((200, 200), (1237, 803), (40, 300), (64, 50)):
        noise = generator.integers(-30, 30, (height, width, 3))
        image = Image.fromarray((np.asarray(photo.resize((width, height))) + noise).clip(0, 255).astype(np.uint8))
        for kind, options in (("PNG", {}), ("BMP", {}), ("JPEG", {"quality": 80}), ("JPEG", {"subsampling": 0})):
            stream = io.BytesIO()
            image.save(stream, kind, **options)
            files[width, height, kind, *options] = stream.getvalue()
    for name, content in files.items():
        for resize in ("stretch", "crop", "pad"):
            for interpolation in ("bilinear", "nearest"):
                decoding = Decoding(96, resize, interpolation)
                expected = decoding.any_format(tf.constant(content)).numpy()
                np.testing.assert_array_equal(_tensor(page, content, decoding), expected, err_msg=f"{name} {decoding}")


def test_photos_are_turned_upright(browser):
    page, _ = browser
    decoding = Decoding(32)
    for tag in range(1, 9):
        stream, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = tag
        pixels = np.random.default_rng(0).integers(0, 255, (6, 9, 3), np.uint8)
        Image.fromarray(pixels).resize((90, 60)).save(stream, "JPEG", exif=exif)
        expected = decoding.any_format(tf.constant(stream.getvalue())).numpy()
        np.testing.assert_array_equal(
            _tensor(page, stream.getvalue(), decoding), expected, err_msg=f"orientation {tag}"
        )


def test_large_jpegs_that_training_reads_at_a_fraction_are_close(photos, browser):
    page, _ = browser
    stream = io.BytesIO()
    Image.open(next(iter(sorted((photos / "test/forky").iterdir())))).resize((1600, 1200)).save(stream, "JPEG")
    for size in (96, 224, 500):
        decoding = Decoding(size, jpeg_decode="scaled")
        expected = decoding.any_format(tf.constant(stream.getvalue())).numpy()
        given = _tensor(page, stream.getvalue(), decoding)
        assert np.abs(given.astype(int) - expected).mean() < 0.5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "notes.txt",
            b"a text",
            '"notes.txt" is not an image that can be read here: choose a JPEG, PNG, WebP, GIF or BMP.',
        ),
        ("empty.jpg", b"", '"empty.jpg" is not an image'),
        ("large.png", bad_files.png_claiming(10_000, 10_001), "is too large: 10000 \u00d7 10001 is 100.01 megapixels"),
        ("large.jpg", bad_files.jpeg_claiming(60_000, 60_000), "is too large: 60000 \u00d7 60000 is 3600 megapixels"),
        ("photo.heic", b"\0\0\0\x18ftypheic" + bytes(999), "is a HEIC photo, which this browser cannot read"),
        ("cut.png", odd_files.ORIENTED["exif_behind_icc_130k"][:200], "is a damaged JPEG file"),
    ],
)
def test_what_is_no_photo_gets_one_line_and_the_page_goes_on(photos, browser, tmp_path, name, content, message):
    page, _ = browser
    (tmp_path / name).write_bytes(content)
    found = _answer(page, tmp_path / name)
    assert message in (found["error"] or "")
    assert "\n" not in found["error"]
    found = _answer(page, next(iter(sorted((photos / "test/spoony").iterdir()))))
    assert found["error"] is None
    assert len(found["bars"]) == 3


def test_what_is_unlike_all_classes_is_none_of_these(browser, tmp_path):
    page, _ = browser
    Image.new("RGB", (80, 80), (255, 0, 255)).save(tmp_path / "plain.png")
    found = _answer(page, tmp_path / "plain.png")
    unlike = float(page.value("document.getElementById('result').dataset.unlike"))
    assert (found["answer"] == "None of these") == (unlike > 1)
    assert ("unlike everything" in found["note"]) == (unlike > 1)


def test_a_transparent_image_is_said_to_differ(browser, tmp_path):
    page, _ = browser
    Image.new("RGBA", (80, 80), (255, 0, 255, 100)).save(tmp_path / "clear.png")
    assert "transparent" in _answer(page, tmp_path / "clear.png")["note"]


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("runtime/core/wasm/litert_wasm_internal.wasm", "The runtime in the folder runtime/ cannot be loaded"),
        ("runtime/core/dist/index.js", "The runtime in the folder runtime/ cannot be loaded"),
        ("model.tflite", "model.tflite is missing on the server (404): copy the whole folder there."),
    ],
)
def test_a_missing_file_is_named(run, tmp_path, gone, message):
    folder = shutil.copytree(run / "export/web", tmp_path / "web")
    (folder / gone).unlink()
    with chromium.serving(folder) as address, chromium.page() as page:
        page.open(address)
        page.wait_for("!document.getElementById('error').hidden")
        assert message in page.value("document.getElementById('error').textContent")


def test_a_page_that_is_opened_as_a_file_says_how_to_serve_it(run):
    with chromium.page() as page:
        page.open((run / "export/web/index.html").as_uri())
        page.wait_for("document.getElementById('status').textContent.includes('python -m http.server')")


def test_the_camera_is_classified_until_it_is_stopped(run):
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with chromium.serving(run / "export/web") as address, chromium.page(*camera) as page:
        page.open(address)
        page.wait_for(_IS_READY)
        page.value("document.getElementById('camera').click()")
        page.wait_for("document.querySelectorAll('#bars li').length === 3")
        assert page.value("document.getElementById('camera').textContent") == "Stop the camera"
        page.value("document.getElementById('camera').click()")
        assert page.value("document.getElementById('camera').textContent") == "Use the camera"
        assert page.value("document.getElementById('video').srcObject === null")
        time.sleep(0.5)
        assert page.problems == []


def test_where_there_is_no_camera_it_says_so(browser):
    page, _ = browser
    page.value(_FORGET)
    page.value("document.getElementById('camera').click()")
    page.wait_for("!document.getElementById('error').hidden")
    assert page.value(_SHOWN)["error"] == "There is no camera here. Choose a photo instead."
