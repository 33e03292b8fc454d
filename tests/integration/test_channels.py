"""--channels=5 by the command line, on rendered images whose classes only the fifth channel tells apart."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tests import ROOT
from tests.tools import channel_files
from trainers.models.classifier import base_of, load_classifier

pytestmark = pytest.mark.slow

_TRAIN = ("--channels=5", "--preset=demo", "--image_size=32", "--batch_size=16", "--transfer_epochs=4")
_TRAIN += ("--transfer_learning_rate=0.01", "--finetune_epochs=4", "--finetune_learning_rate=0.003")
_TRAIN += ("--checkpoint_every_steps=2", "--notensorboard", "--distribution_strategy=one_device")
_TRAIN += ("--mixed_precision=float32", "--jit_compile=false")


def _command(model_dir, *flags):
    return [sys.executable, "-m", "trainers.main", f"--model_dir={model_dir}", *flags]


def _run(model_dir, *flags, status=0):
    done = subprocess.run(_command(model_dir, *flags), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def _read(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    return channel_files.write(tmp_path_factory.mktemp("channels") / "five")


@pytest.fixture(scope="module")
def trained(five, tmp_path_factory):
    """A run of both phases that nothing interrupted; to be read."""
    model_dir = tmp_path_factory.mktemp("trained") / "run"
    said = _run(model_dir, f"--image_dir={five}", *_TRAIN, "--cache=memory")
    assert "the first convolution takes 5 channels instead of 3: each has those of red, green and blue in turn" in said
    return model_dir


def test_the_fifth_channel_decides(trained, tmp_path):
    found = _read(trained / "finetune/metrics.json")
    assert found["test_accuracy"] >= 0.95
    model = load_classifier(trained / "finetune/best.keras")
    assert model.input_shape == (None, 32, 32, 5)
    assert base_of(model).get_layer("block1_conv1").kernel.shape == (3, 3, 5, 16)
    blind = channel_files.write(tmp_path / "blind", with_signal=False)
    _run(tmp_path / "run", f"--image_dir={blind}", *_TRAIN)
    assert 0.3 <= _read(tmp_path / "run/finetune/metrics.json")["test_accuracy"] <= 0.7


@pytest.mark.parametrize("tier", ["disk", "none"])
def test_every_tier_gives_the_same_weights(trained, five, tmp_path, tier):
    _run(tmp_path / "run", f"--image_dir={five}", f"--data_dir={tmp_path}", *_TRAIN, f"--cache={tier}")
    for phase in ("transfer", "finetune"):
        before, now = (_read(run / phase / "metrics.json") for run in (trained, tmp_path / "run"))
        assert now["weights_sha256"] == before["weights_sha256"]


def test_a_killed_run_ends_with_the_weights_of_one_left_alone(trained, five, tmp_path):
    flags, model_dir = (f"--image_dir={five}", *_TRAIN), tmp_path / "run"
    for phase in ("transfer", "finetune"):
        with (tmp_path / "log.txt").open("w") as log:
            process = subprocess.Popen(_command(model_dir, *flags), cwd=ROOT, stdout=log, stderr=log)
            while process.poll() is None and not list(model_dir.glob(f"{phase}/checkpoints/step-*[1-9]*")):
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL, (tmp_path / "log.txt").read_text()
        assert not (model_dir / phase / "metrics.json").exists()
    assert "resuming" in _run(model_dir, *flags)
    for phase in ("transfer", "finetune"):
        before, now = (_read(run / phase / "metrics.json") for run in (trained, model_dir))
        assert now["weights_sha256"] == before["weights_sha256"]


def test_other_channels_are_other_settings(trained, five, tmp_path):
    copy = shutil.copytree(trained, tmp_path / "run")
    four = tmp_path / "four"
    for path in five.rglob("*.npy"):
        place = four / path.relative_to(five)
        place.parent.mkdir(parents=True, exist_ok=True)
        np.save(place, np.load(path, allow_pickle=False)[..., :4])
    said = _run(copy, f"--image_dir={four}", *_TRAIN, "--channels=4", status=1)
    assert "channels: was 5, is 4" in said
    said = _run(tmp_path / "other", f"--image_dir={four}", *_TRAIN, status=1)
    assert "has 4 channels, --channels=5 expected" in said


def test_the_run_verifies(trained):
    assert "the same bits" in _run(trained, "--phase=verify")


def test_it_is_evaluated_exported_and_predicts(trained, five, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    other = channel_files.write(tmp_path / "other", train=0, test=12, side=48)
    _run(run, "--phase=evaluate", f"--image_dir={other}")
    matrix = np.array(_read(run / "evaluation/metrics.json")["confusion_matrix"])
    assert matrix.sum() == 24
    assert matrix.trace() >= 22
    _run(run, "--phase=evaluate")
    assert (run / "report.html").is_file()
    said = _run(run, "--phase=export", "--export_formats=saved_model,keras,litert,litert_int8")
    assert "golden/ is left out" in said
    parity = _read(run / "export/parity.json")
    assert parity["channels"] == 5
    assert all(row["is_within"] for row in parity["exports"])
    card = (run / "export/MODEL_CARD.md").read_text()
    assert "images of 5 channels, of 32x32 pixels" in card
    assert "those of red, green and blue in turn" in card
    assert "[b, height, width, 5], of any one size" in card
    assert "RGB, " not in card
    assert "Pillow" not in card
    assert "photo.jpg" not in card

    images = sorted((five / "test").rglob("*.npy"))
    (five / "test/four.npy").write_bytes(channel_files.npy(np.zeros((8, 8, 4), np.uint8)))
    try:
        said = _run(run, "--phase=predict", f"--images={five / 'test'}", "--json")
    finally:
        (five / "test/four.npy").unlink()
    assert "four.npy: has 4 channels, --channels=5 expected" in said
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [row["file"] for row in rows] == [str(path) for path in images]

    served = tf.saved_model.load(run / "export/saved_model")
    found = served.signatures["serving_default"](image_bytes=tf.constant([path.read_bytes() for path in images]))
    assert [label.decode() for label in found["label"].numpy()] == [row["predicted"] for row in rows]
    pixels = np.stack([np.load(path, allow_pickle=False) for path in images if path.stem in ("1", "3")])
    by_pixels = served.signatures["pixels"](images=tf.constant(pixels))
    chosen = [place for place, path in enumerate(images) if path.stem in ("1", "3")]
    np.testing.assert_allclose(by_pixels["probabilities"], found["probabilities"].numpy()[chosen], atol=1e-5)
    said = _run(run, "--phase=serve", "--port=0", status=1) if _can_serve() else ""
    assert not said or "takes images of 5 channels, and --phase=serve pictures of three" in said


def _can_serve():
    import importlib.util

    return all(importlib.util.find_spec(name) for name in ("uvicorn", "starlette"))


@pytest.mark.parametrize("phase", ["check", "find_learning_rate", "estimate"])
def test_what_looks_before_training_takes_the_channels(phase, five, tmp_path):
    said = _run(tmp_path / "run", f"--phase={phase}", f"--image_dir={five}", *_TRAIN, "--group_pattern=(\\d)\\.npy")
    assert "5 channels" in said


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        pytest.param("onnx", "tf2onnx", marks=pytest.mark.extra_onnx),
        pytest.param("openvino", "openvino", marks=pytest.mark.extra_openvino),
    ],
)
def test_exports_of_extras_take_images_of_five_channels_of_any_size(trained, tmp_path, kind, needed):
    pytest.importorskip(needed)
    run = shutil.copytree(trained, tmp_path / "run")
    _run(run, "--phase=export", f"--export_formats={kind}")
    rows = _read(run / "export/parity.json")["exports"]
    assert "any_size" in {row["call"] for row in rows}
    assert all(row["is_within"] for row in rows)


@pytest.mark.extra_formats
def test_tiff_beside_npy_is_trained_exported_and_predicted(tmp_path):
    pytest.importorskip("tifffile")
    mixed = channel_files.write(tmp_path / "mixed", as_tiff=True)
    _run(tmp_path / "run", f"--image_dir={mixed}", *_TRAIN)
    assert _read(tmp_path / "run/finetune/metrics.json")["test_accuracy"] >= 0.95
    _run(tmp_path / "run", "--phase=export", "--export_formats=saved_model")
    assert all(row["is_within"] for row in _read(tmp_path / "run/export/parity.json")["exports"])
    said = _run(tmp_path / "run", "--phase=predict", f"--images={mixed / 'test'}")
    assert "80 images predicted" in said
