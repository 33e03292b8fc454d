"""No image file and no folder crashes the program, hangs it or takes more memory than is stated."""

import json
import os
import subprocess
import sys

import pytest

from tests import ROOT

pytestmark = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's memory high-water mark"
)


def fuzz(tmp_path, *runs):
    """What the child process says of each run; if it did not get to its end, the input it had in hand is kept.

    A run is (kind, seed, number of inputs, seconds).
    """
    arguments = [str(part) for run in runs for part in (*run, tmp_path)]
    command = [sys.executable, "-m", "tests.integration.fuzz.child", *arguments]
    seconds = 120 + sum(run[3] for run in runs)
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    if finished.returncode:
        kept = tmp_path / "current"
        pytest.fail(f"exit status {finished.returncode} at the input in {kept}:\n{finished.stderr[-3000:]}")
    print(finished.stdout)
    return [json.loads(line) for line in finished.stdout.splitlines()]


def test_damaged_images_and_odd_folders_do_no_harm(tmp_path):
    images, folders = fuzz(tmp_path, ("images", 0, 50, 60), ("folders", 0, 25, 60))
    assert images["inputs"] == 50
    assert min(images["accepted"], images["refused by the header"], images["refused by the decoder"]) >= 3
    assert folders["inputs"] == 25
    assert min(folders["accepted"], folders["refused"]) >= 3


@pytest.mark.slow
def test_many_damaged_images_and_odd_folders_do_no_harm(tmp_path):
    fuzz(tmp_path, ("images", 1_000_000, 10**9, 500), ("folders", 1_000_000, 10**9, 200))
