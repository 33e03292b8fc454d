"""The command line on a folder that mixes JPEG, TIFF, HEIC and AVIF."""

import csv
import os
import shutil
import subprocess
import sys

import pytest

from tests import ROOT
from tests.tools import foreign_files

pytestmark = [pytest.mark.extra_formats, pytest.mark.slow]
_FLAGS = ("--preset=demo", "--image_size=32", "--batch_size=6", "--transfer_epochs=6", "--finetune_epochs=6")


@pytest.fixture(scope="module")
def mixed(photo_folder, tmp_path_factory):
    for name in ("tifffile", "imagecodecs", "pillow_heif"):
        pytest.importorskip(name)
    return foreign_files.mix(shutil.copytree(photo_folder, tmp_path_factory.mktemp("mixed") / "photos"))


def _run(*flags):
    done = subprocess.run(
        [sys.executable, "-m", "trainers.main", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def test_a_mixed_folder_is_trained_evaluated_and_predicted(mixed, tmp_path):
    model_dir = f"--model_dir={tmp_path / 'run'}"
    said = _run(model_dir, f"--image_dir={mixed}", *_FLAGS, "--mixed_precision=float32")
    assert "passed over" not in said
    with open(tmp_path / "run/evaluation/predictions.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    right = {}
    for row in rows:
        ending = row["file"].rpartition(".")[2]
        right.setdefault(ending, []).append(row["predicted"] == row["true"])
    assert set(right) == {"jpg", "tif", "heic", "avif"}
    assert sum(map(sum, right.values())) >= 10  # of 15, whose colours tell their classes apart
    (mixed / "cut.heic").write_bytes(foreign_files.heic(foreign_files.PHOTO)[:300])
    said = _run(model_dir, "--phase=predict", f"--images={mixed}")
    assert "cut.heic: truncated HEIC" in said
    assert "75 images predicted, 1 skipped" in said
